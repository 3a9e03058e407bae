// Windows that slide over a stream of samples: raw float32, channels interleaved, or lines of CSV; sound is 16-bit or WAV.
#pragma once

#include "bundle.h"
#include "options.h"

// Reads standard input (CSV with --csv) to its end; returns the exit code. Throws Failure (environment).
int run_samples(const Bundle& bundle, const Options& options);

// Reads the files `paths` one after another, those named .csv as CSV, each as a stream of its own.
int run_recordings(const Bundle& bundle, const Options& options, const std::vector<std::string>& paths);
