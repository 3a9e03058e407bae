// edgec-run: runs, measures and verifies the model of the bundle that it lies in (docs/bundle.md).
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include "bench.h"
#include "bundle.h"
#include "failure.h"
#include "model.h"
#include "options.h"
#include "output.h"
#include "run.h"
#include "selftest.h"

namespace {

// The parent of the executable's folder.
std::string own_bundle() {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  if (length < 0) throw Failure(kEnvironment, "/proc/self/exe cannot be read; name the bundle with --bundle DIR");
  std::string folder(path, static_cast<std::size_t>(length));
  for (int up = 0; up < 2; ++up) folder.erase(std::min(folder.rfind('/'), folder.size()));
  return folder.empty() ? "/" : folder;
}

void write_tensors(JsonWriter& json, const char* key, const std::vector<TensorSpec>& specs) {
  json.key(key).open('[');
  for (const TensorSpec& spec : specs) {
    json.open('{').field("name", spec.name).field("dtype", spec.dtype->name).key("shape").open('[');
    for (const std::int32_t axis : spec.shape) json.value(axis);
    json.close(']').key("minimum").open('[');
    for (const std::int32_t axis : spec.minimum) json.value(axis);
    json.close(']').close('}');
  }
  json.close(']');
}

void write_names(JsonWriter& json, const char* key, const std::vector<std::string>& names) {
  json.key(key).open('[');
  for (const std::string& name : names) json.value(name);
  json.close(']');
}

int info(const Bundle& bundle) {
  verified_model(bundle);
  JsonWriter json;
  json.open('{').field("name", bundle.name).field("version", bundle.version).field("target", bundle.target);
  json.field("model_sha256", bundle.model_sha256).field("task", bundle.task).field("threads", bundle.threads);
  write_tensors(json, "inputs", bundle.inputs);
  write_tensors(json, "outputs", bundle.outputs);
  write_names(json, "backends", registered_backends());
  write_names(json, "kernels", registered_kernels());
  print_line(json.close('}').text());
  return kOk;
}

int bench(const Bundle& bundle, const Options& options) {
  const int threads = options.threads > 0 ? options.threads : bundle.threads;
  Model model(bundle, threads);
  const Pace pace{options.samples > 0 ? options.samples : 256, options.warmup, options.mark};
  JsonWriter json;
  Bench found = run_bench(model, bench_inputs(bundle), pace, threads);
  if (!options.mark) run_whole(found, bundle, model, {options.passes >= 0 ? options.passes : kPasses, options.afters}, options.top);
  write_bench(json, found);
  print_line(json.text());
  return kOk;
}

int profile(const Bundle& bundle, const Options& options) {
  Model model(bundle, options.threads > 0 ? options.threads : bundle.threads, true);
  const std::vector<std::vector<Tensor>> inputs = bench_inputs(bundle);
  model.bind(inputs.front());
  model.run();
  const Bytes trace = model.trace();
  const std::string& path = options.paths.front();
  write_file(path, trace.data(), trace.size());
  return kOk;
}

int dispatch(const Options& options) {
  if (options.mode == Mode::kHelp) {
    std::fputs(kUsageText, stdout);
    return kOk;
  }
  const Bundle bundle = read_bundle(options.bundle.empty() ? own_bundle() : options.bundle);
  check_shapes(bundle, options);
  switch (options.mode) {
    case Mode::kInfo: return info(bundle);
    case Mode::kRun: return run_paths(bundle, options);
    case Mode::kStream: return run_stream(bundle, options);
    case Mode::kBench: return bench(bundle, options);
    case Mode::kSelfTest: return self_test(bundle, options);
    case Mode::kProfile: return profile(bundle, options);
    default: return run_preprocess(bundle, options);
  }
}

extern "C" void interrupted(int) { _exit(kInterrupted); }

int fail(int code, const char* message) {
  std::fprintf(stderr, "edgec-run: %s\n", message);
  return code;
}

}  // namespace

int main(int count, char** words) {
  std::signal(SIGINT, interrupted);
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return dispatch(parse_options(count, words));
  } catch (const Failure& failure) {
    return fail(failure.code, failure.message.c_str());
  } catch (const ReaderGone&) {
    return kOk;
  } catch (const std::bad_alloc&) {
    return fail(kEnvironment, "not enough memory");
  } catch (const std::exception& error) {
    return fail(kBug, (std::string("this is a bug in edgec-run: ") + error.what()).c_str());
  }
}
