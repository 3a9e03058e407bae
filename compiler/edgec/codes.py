"""Every diagnostic code: the exit code it ends a command with, what it means, and what to do (`edgec explain CODE`)."""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """``exit_code`` is DESIGN section 2's; ``meaning`` and ``remedy`` are one or two sentences each."""

    exit_code: int
    meaning: str
    remedy: str


CODES: dict[str, Code] = {
    # 1: a bug
    "internal-error": Code(1, "edgec itself failed; this is a bug in it, not in the manifest.", "Report it with the output of EDGEC_DEBUG=1."),
    # 2: usage
    "no-manifest": Code(2, "No manifest was found where one was asked for.", "Name a YAML file with `apiVersion: edgec/v1`, or a folder that holds one."),
    "no-bundle": Code(2, "What was named is not a bundle's folder, a bundle's tarball or a `.pte`.", "Name out/<name>/<version>/<target>, the .tar.gz beside it, or (inspect) a .pte file."),
    "unknown-topic": Code(2, "`edgec explain` knows no such code, field, target or plugin.", "Ask for one of the names that the message lists."),
    "verification-usage": Code(2, "A bundle's verify.sh does not take what it was called with.", "Verify the bundle with the edgec that built it, or run its verify.sh by hand."),
    "key-invalid": Code(2, "A key file cannot be used: wrong half, wrong kind, wrong password, or no key.", "Name an Ed25519 or ECDSA P-256 key in PEM form: the private one to sign, the public one to check; docs/trust.md shows how to make them."),
    "key-exposed": Code(2, "A private key can be read by others than its owner (a warning).", "Run `chmod 600` on it; where others did read it, make a new one."),
    "no-measurements": Code(2, "A bundle is to be signed without its measurements file.", "Name the file that its build wrote beside the tarball with `--measurements`."),
    "not-comparable": Code(2, "The two bundles that `edgec diff` was given are not two releases of one thing.", "Name two releases with the same task, and the same name or the same inputs and outputs."),
    "already-exists": Code(2, "`edgec init` would overwrite a file.", "Name another file, or pass --force."),
    "reference-invalid": Code(2, "What was written is no reference to a registry, or plain http was asked for and not allowed clearly.", "Write oci://host/repository:tag, or …@sha256:…; repositories are lower case."),
    # 3: the manifest (reading, shape, cross-field checks)
    "yaml-size": Code(3, "A manifest is larger than 256 KiB.", "Name data and weights by path; a manifest does not hold them."),
    "yaml-encoding": Code(3, "A manifest is not UTF-8.", "Save the file as UTF-8."),
    "yaml-character": Code(3, "A manifest holds a control character, a line break inside a string, or a character that reorders text.", "Remove it; several lines fold into one string with `>-`."),
    "yaml-syntax": Code(3, "A manifest is not YAML.", "The message says what the parser met; indentation and unclosed quotes or brackets are the usual causes."),
    "yaml-alias": Code(3, "A manifest uses an anchor (`&x`) or an alias (`*x`); they hide what is said and can expand without bound.", "Write the value out where it is used."),
    "yaml-tag": Code(3, "A manifest uses a YAML tag (`!x`).", "Leave the tag out; quote a value that must be a string."),
    "yaml-duplicate-key": Code(3, "A mapping names one key twice; YAML readers differ in which they take.", "Keep one of them."),
    "yaml-key": Code(3, "A mapping's key is not a string.", "Quote it."),
    "yaml-documents": Code(3, "A file holds more than one YAML document (`---`).", "Write one manifest a file."),
    "yaml-depth": Code(3, "A manifest is nested more than 32 deep.", "No field needs that; look for a bracket that is never closed."),
    "yaml-number": Code(3, "A number is NaN, infinite or larger than 18 digits.", "Write a finite number."),
    "unknown-key": Code(3, "A mapping has a key that has no meaning there.", "Take the nearest name that the message offers, or remove it."),
    "missing-key": Code(3, "A mapping lacks a key that must be there.", "Add it; `edgec explain FIELD` says what it holds."),
    "wrong-type": Code(3, "A value is of another type than the field takes.", "Write the value as the message says; quote numbers that are meant as strings."),
    "wrong-value": Code(3, "A value is of the right type and not one that the field takes.", "Take one that the message allows."),
    "unknown-name": Code(3, "No source, format, recipe, delegate, metric, task or target has that name.", "Take a name that the message allows; `edgec list` shows all."),
    "name-twice": Code(3, "Two targets, two inputs or two manifests have one name, or a search tries one thing twice.", "Rename or remove one."),
    "needs-data": Code(3, "A recipe or a budget needs data, or labels in it, or a recipe needs budgets, that the manifest does not name.", "Add `data.calibration`, `data.training` or `data.evaluation`, labels, or `budgets.accuracy`, as the message says."),
    "does-not-fit": Code(3, "Two parts of the manifest exclude each other: a search and what it is there to find, delegate and target, recipe and delegate, metric and task, data and input.", "Change one of the two to what the message allows."),
    "budgets-contradict": Code(3, "No result could meet two of the budgets at once.", "Correct one of the two limits."),
    "slice-empty": Code(3, "A slice of an accuracy budget names a class or a folder that no evaluation sample belongs to.", "Take the nearest name that the message gives, or add samples; folders are those below the data set's own that samples lie in."),
    "runs-code": Code(3, "The model's source runs code of the project; `edgec build` asks for trust first (a note, not an error).", "Pass --allow-code, or name entry and digest in edgec.toml."),
    "not-for-release": Code(3, "Something makes the bundle unfit for release, such as random weights (a warning; an error with --strict).", "Give the model trained weights."),
    "no-api-version": Code(3, "A YAML file in the folder has no `apiVersion`, so it was passed over (a warning; an error with --strict).", "Add `apiVersion: edgec/v1`, or move the file elsewhere."),
    "path-outside-root": Code(3, "A path leaves the project's root, directly or through a symbolic link.", "Move the file into the project, or widen the root with `--root DIR`."),
    "data-missing": Code(3, "A data set's file or folder does not exist, or is of the wrong kind.", "Correct `path`; it is relative to the manifest's folder."),
    "data-empty": Code(3, "A data set holds no sample.", "Point `path` at a file or folder with samples of the named format."),
    "data-unreadable": Code(3, "A file of a data set is corrupt, too large, or not in the format it is named for.", "Replace or remove the file that the message names."),
    "data-mismatch": Code(3, "The keys, shape or dtype of a data set are not those of the manifest's inputs.", "Name the arrays or columns like the inputs and give them their shape and dtype."),
    "data-labels": Code(3, "The classes of a data set and the task's labels do not agree.", "Name class folders and labels as the task's labels do."),
    "data-not-finite": Code(3, "A data set holds NaN or infinity.", "Clean the sample that the message names."),
    "labels-invalid": Code(3, "The task's labels cannot be used: no such file, not text, too few, empty or repeated names.", "Give a UTF-8 file with one class name a line, in the order of the model's outputs."),
    "target-file": Code(3, "A target file that a manifest or another target file names does not exist.", "Correct the path; it is relative to the file that names it."),
    "target-cycle": Code(3, "A target file is based on itself, through others or at once.", "Let one of these files have a target that edgec knows as its `base`."),
    "beyond-means": Code(3, "A target is given more threads than it has cores, or a memory budget above its memory; a warning.", "Correct the figure; `edgec explain TARGET` shows what the target has."),
    "architecture-unsupported": Code(3, "The model is known, and known not to lower: it runs operators that ExecuTorch has no kernels for.", "Choose another architecture, or export the part before those operators."),
    "architecture-unknown": Code(3, "The model's name is not one that its source knows.", "Use the nearest name that the message gives, or see `edgec list sources`."),
    "weights-invalid": Code(3, "The weights are not named in a way that can be loaded: none, unknown, no file, or no sha256.", "Give `{file, sha256}`, `{url, sha256}`, a name that the source knows, or `{random: SEED}` for trials."),
    "entry-invalid": Code(3, "The code or exported program that a model comes from is not in the project, or is not named rightly.", "Write `entry: module:callable` for a module in the project, or `file: model.pt2`."),
    "code-not-trusted": Code(3, "Loading this model runs code, and nothing allows that.", "Read the code, then add the entry that the message shows to edgec.toml, or pass `--allow-code`."),
    "policy-invalid": Code(3, "The trust policy (edgec.toml) cannot be read, or says what has no meaning.", "The message names the key and what is allowed; docs/trust.md lists them all."),
    # 4: load, quantize, lower, compare
    "model-not-loaded": Code(4, "The model could not be constructed or its weights do not fit it.", "Check architecture, arguments and weights; the message names the first difference."),
    "runner-failed": Code(4, "The native runner refused the artifact or its golden vectors on this machine.", "Run the bundle's verify.sh for the details."),
    "operator-unavailable": Code(4, "The artifact runs operators outside its delegates that no shipped kernel library has.", "Rewrite that part of the model, or take a delegate that covers it."),
    "export-failed": Code(4, "torch.export could not turn the model into a graph.", "Rewrite what the message points at; Python control flow on tensor values is the usual cause."),
    "quantize-failed": Code(4, "The recipe does not work on this model.", "Try another recipe (`edgec list recipes`)."),
    "recipe-brings-nothing": Code(4, "The recipe has nothing to work on in this model: the artifact would be float32 under another name.", "Take the recipe that the message names, or `auto`."),
    "lower-failed": Code(4, "ExecuTorch could not lower the graph for these delegates.", "Try another delegate or recipe; the message holds the compiler's words."),
    "program-not-run": Code(4, "The ExecuTorch runtime does not load or run the artifact.", "Try another delegate or recipe; the message holds the runtime's words."),
    "non-finite": Code(4, "Weights or outputs hold NaN or infinity.", "Use another checkpoint; for fp16, a layer may leave half precision's range: use fp32 or int8."),
    "constant-output": Code(4, "The model, or its artifact, answers the same to different inputs.", "Check weights and normalisation; for int8, that calibration data looks like what the device sees."),
    "parity-broken": Code(4, "A step of the compilation changed the model's answers by more than its recipe allows.", "The message names the step and the worst sample; try another recipe or more calibration data."),
    "calibration-empty": Code(4, "There is no calibration or training data for a recipe that needs it.", "Name data under `data.calibration`."),
    "calibration-constant": Code(4, "Calibration or training data is constant, so no range can be observed.", "Calibrate with samples like those the device will see."),
    "calibration-range": Code(4, "Calibration or training data lies outside the input's range: pictures are 0..255, nothing may be NaN, and its values must be of the size of the evaluation data's.", "Give pixels as they are, which the artifact normalises itself, and other inputs scaled as the device feeds them."),
    "calibration-shape": Code(4, "A calibration or training sample does not have the input's shape.", "Calibrate with what the device feeds."),
    "training-diverged": Code(4, "Fine-tuning came to a loss, or to weights, that are NaN or infinite.", "Lower `learning_rate`, and look at the training data for samples unlike the rest."),
    "training-unfit": Code(4, "The training data cannot serve the loss that the recipe learns by: labels missing, no class index, or more classes than the model has.", "Label the data, or take a loss that learns from the float32 model (`distillation`, `mse`)."),
    "module-unknown": Code(4, "No submodule of the model has a name or a type that the recipe was given.", "Take the nearest name that the message offers; names are those of the model's own `named_modules()`."),
    "job-died": Code(4, "The lowering process ended without an answer.", "The message holds its last words; run again, and report it with `edgec doctor` if it repeats."),
    # 5: budgets
    "budget-missed": Code(5, "A budget is missed, so there is no release.", "The report under out/rejected/ says what would be feasible."),
    "nothing-tried": Code(5, "The time limit of a search was reached before any candidate for a target was lowered.", "Raise `search.time_limit`, or run again: what was lowered is kept."),
    "budget-inconclusive": Code(5, "A budget can be neither met nor missed with what was measured; it fails the build only under --strict.", "Give more samples, or state a limit that this many samples can tell apart."),
    "pointless-quantization": Code(5, "An artifact in 8 bits or less is not faster on this machine than the same model in fp32 (a warning; an error with --strict).", "Take fp32 if speed is what counts; keep the recipe where its smaller file is worth its loss of accuracy."),
    # 6: tools
    "tool-missing": Code(6, "A tool, package or vendor SDK that this build needs is not installed.", "Install what the message names; `edgec doctor` lists everything."),
    "kind-not-built": Code(6, "This version of edgec does not build bundles of the kind that the target takes.", "Take a target of another kind, or a newer edgec; `edgec explain TARGET` shows the kind."),
    "runtime-pack-missing": Code(6, "The ExecuTorch runtime for the target's architecture is neither installed nor cached.", "Run once without `--offline`, or take a target whose architecture has a runtime."),
    "backend-unavailable": Code(6, "The artifact uses a delegate that the shipped runtime has no library for.", "Take a delegate that the runtime has."),
    "runner-not-built": Code(6, "The native runner did not compile, or needs a newer glibc than the target has.", "The message holds the compiler's first error; `edgec doctor` shows the tools."),
    # 7: integrity
    "digest-mismatch": Code(7, "A file is not the one that was recorded.", "Fetch or build it again; never load it."),
    "bundle-broken": Code(7, "A bundle is incomplete, holds files that it does not list, or its tarball is unsafe to unpack.", "Fetch or build it again; never install it."),
    "verification-failed": Code(7, "A bundle's own verification failed: digests, CPU features or golden vectors.", "Do not install it; the message carries what its verify.sh said."),
    "program-unreadable": Code(7, "A file is not an ExecuTorch program, or is damaged.", "Build or fetch it again and compare its sha256."),
    "unfit-to-sign": Code(7, "A bundle that is to be signed is no release: it missed a budget, or something else makes it unfit.", "Sign what was built for release; `--allow-unfit` signs it all the same."),
    "signature-missing": Code(7, "A bundle must be signed and is not, or its signatures were stripped.", "Sign it, or fetch the signature file that was published with it; never install it."),
    "signature-invalid": Code(7, "A signature file is damaged, or a signature in it is bad: of another statement, another kind of key, another type of payload.", "Fetch it again, from where it was published; never install the bundle."),
    "signature-untrusted": Code(7, "No key that is trusted signed the bundle, or too few of them did.", "Name the key that signed it if you trust it; else never install it."),
    "signature-mismatch": Code(7, "A good signature is of another bundle, or of other measurements than those beside it.", "Fetch the bundle, its measurements and its signature together; after a new build, sign it again."),
    "evidence-weak": Code(7, "A budget is met by weaker evidence than the policy asks for, or not met at all.", "Verify the bundle where that evidence comes from; only a device gives `device`."),
    "version-downgrade": Code(7, "A version is older than the newest one, and the policy lets versions only go up.", "Take the newer one; `--allow-downgrade` goes back on purpose."),
    "threshold-crossed": Code(7, "A threshold of `edgec diff --fail-on` is crossed, or cannot be held with what the two releases keep.", "Look at what changed; a threshold that cannot be held needs the figures that the message names, on both sides."),
    # 8: environment
    "download-failed": Code(8, "A file could not be fetched whole: no connection, a server error, a short or oversized body, a refused redirect.", "Try again, or fetch the file yourself and name it with `file:`."),
    "offline": Code(8, "A file must be fetched, but `--offline` forbids it and no earlier fetch left it in the cache.", "Run once without `--offline`."),
    "job-killed": Code(8, "The lowering process was killed from outside; usually memory ran out.", "Free memory or build fewer targets at once (`--jobs 1`)."),
    "registry-unreachable": Code(8, "A registry did not answer, or not to the end, or only with server errors, in several attempts.", "Try again: what was sent or fetched is kept, and continued."),
    "registry-refused": Code(8, "A registry answered and will not: no permission, a certificate that does not verify, an unsafe redirect, another 4xx.", "The message holds the registry's words; docker login HOST for permission, SSL_CERT_FILE for a certificate authority of your own."),
    "credentials-unusable": Code(8, "The docker config, or a credential helper that it names, cannot be used.", "Correct the file that the message names, or write it anew with docker login."),
    "disk-full": Code(8, "The disk is full; nothing was changed.", "Free space and run the command again."),
    "not-writable": Code(8, "A file or folder cannot be read or written, for want of permission or because the device failed; nothing was changed.", "Correct its permissions, or name another folder."),
}
