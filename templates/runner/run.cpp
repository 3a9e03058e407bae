#include "run.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <new>

#include "clock.h"
#include "failure.h"
#include "image.h"
#include "inputs.h"
#include "ppm.h"
#include "samples.h"
#include "session.h"
#include "stdin.h"

namespace {

constexpr std::size_t kTensorFileLimit = std::size_t{4} << 30;

// The shape of raw data of `size` bytes: as --shape says, else the fixed one, else with its one dynamic axis inferred.
Shape raw_shape(const TensorSpec& spec, std::size_t size, const Options& options) {
  const auto given = options.shapes.find(spec.name);
  if (given != options.shapes.end()) return given->second;
  Shape shape = spec.shape;
  std::vector<std::size_t> dynamic;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (spec.minimum[i] != spec.shape[i]) dynamic.push_back(i);
  }
  if (dynamic.empty()) return shape;
  if (dynamic.size() > 1) throw Failure(kEnvironment, "input " + spec.name + " has several dynamic axes: name its size with --shape");
  shape[dynamic[0]] = 1;
  const std::size_t each = elements(shape) * spec.dtype->size;
  shape[dynamic[0]] = static_cast<std::int32_t>(std::min<std::size_t>(size / each, 1 << 30));
  return shape;
}

// Of a folder only its path has come this far: there is no picture in it.
Picture read_picture(const std::string& path) {
  Bytes file;
  try {
    file = read_file(path, kPictureFileLimit);
  } catch (const Failure&) {
    if (is_folder(path) && pictures_in(path).empty()) throw Failure(kEnvironment, path + ": no .png, .jpg or .jpeg file in this folder");
    throw;
  }
  return decode(file, path);
}

Tensor read_input(const TensorSpec& spec, const std::string& path, const Options& options) {
  if (spec.image) return image_tensor(spec, read_picture(path));
  const std::size_t most = elements(spec.shape) * spec.dtype->size;
  Bytes data = read_file(path, std::min(kTensorFileLimit, most * 16 + (1 << 20)));
  const Shape shape = raw_shape(spec, data.size(), options);
  return {&spec, shape, std::move(data)};
}

std::vector<std::string> lines_of_stdin() {
  std::vector<std::string> lines(1);
  for (int c = std::getchar(); c != EOF; c = std::getchar()) {
    if (c == '\n') lines.emplace_back(); else lines.back() += static_cast<char>(c);
  }
  lines.erase(std::remove(lines.begin(), lines.end(), ""), lines.end());
  return lines;
}

// "-" becomes the paths on standard input.
std::vector<std::string> named(const std::vector<std::string>& paths) {
  std::vector<std::string> result;
  for (const std::string& path : paths) {
    const std::vector<std::string> more = path == "-" ? lines_of_stdin() : std::vector<std::string>{path};
    result.insert(result.end(), more.begin(), more.end());
  }
  return result;
}

// The same, and folders become the pictures in them.
std::vector<std::string> expanded(const std::vector<std::string>& paths) {
  std::vector<std::string> result;
  for (const std::string& path : named(paths)) {
    std::vector<std::string> more = is_folder(path) ? pictures_in(path) : std::vector<std::string>{path};
    if (more.empty()) more = {path};  // to be told in a line of its own
    result.insert(result.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }
  return result;
}

// One input's place in the stream: a frame of pixels, or a tensor.
struct Slot {
  const TensorSpec* spec;
  Shape shape;
  Picture frame;
  Bytes buffer;

  // Throws Failure (environment) for a frame that is too large, whose pixels were left out.
  Tensor tensor(const std::string& source) {
    if (!spec->image) return {spec, shape, buffer};
    if (too_large()) {
      throw Failure(kEnvironment, source + " has " + std::to_string(frame.width) + " x " + std::to_string(frame.height) +
                                      " pixels: at most 64 megapixels are taken, and " + std::to_string(kSideLimit) + " a side");
    }
    frame.rgb.swap(buffer);
    Tensor result = image_tensor(*spec, frame);
    frame.rgb.swap(buffer);
    return result;
  }

  std::uint64_t pixels() const { return static_cast<std::uint64_t>(frame.width) * static_cast<std::uint64_t>(frame.height); }
  bool too_large() const { return pixels() > kPixelLimit || frame.width > kSideLimit || frame.height > kSideLimit; }
  void fit_buffer() { buffer.resize(static_cast<std::size_t>(pixels()) * 3); }
};

Slot slot_of(const TensorSpec& spec, const Options& options) {
  Slot slot{&spec, spec.shape, {}, {}};
  if (spec.image) {
    const bool own = options.frame_width > 0;
    slot.frame.width = own ? options.frame_width : spec.image->width;
    slot.frame.height = own ? options.frame_height : spec.image->height;
    if (slot.too_large()) throw Failure(kUsage, "--frame is over the limit of 64 megapixels");
    slot.fit_buffer();
    return slot;
  }
  const auto given = options.shapes.find(spec.name);
  if (given != options.shapes.end()) slot.shape = given->second;
  slot.buffer.resize(elements(slot.shape) * spec.dtype->size);
  return slot;
}

// Reads all slots of one inference; false at a clean end of the stream.
bool fill(std::vector<Slot>& slots, const std::string& source, bool ppm) {
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const bool headed = ppm && slots[i].spec->image;
    const bool more = !headed || read_ppm_header(slots[i].frame, source);
    if (headed && more && slots[i].too_large()) {
      skip_stdin(slots[i].pixels() * 3);
      continue;
    }
    if (headed && more) slots[i].fit_buffer();
    const std::size_t got = more ? read_stdin(slots[i].buffer) : 0;
    if (got == 0 && i == 0 && (!headed || !more)) return false;  // after a header, nothing is a frame cut off
    if (got < slots[i].buffer.size()) {
      throw Failure(kEnvironment, "standard input ended after " + std::to_string(got) + " of " +
                                      std::to_string(slots[i].buffer.size()) + " bytes of " + source);
    }
  }
  return true;
}

}  // namespace

void check_shapes(const Bundle& bundle, const Options& options) {
  for (const auto& [name, shape] : options.shapes) {
    const auto named = [&name = name](const TensorSpec& spec) { return spec.name == name; };
    const auto found = std::find_if(bundle.inputs.begin(), bundle.inputs.end(), named);
    if (found == bundle.inputs.end()) throw Failure(kUsage, "--shape names " + name + ", which is not an input of the model");
    check_shape(*found, shape, kUsage);
  }
}

int run_paths(const Bundle& bundle, const Options& options) {
  if (bundle.inputs.front().stream) return run_recordings(bundle, options, named(options.paths));
  const std::vector<std::string> paths = expanded(options.paths);
  const std::size_t each = bundle.inputs.size();
  if (paths.size() % each != 0) {
    throw Failure(kUsage, "the model takes " + std::to_string(each) + " inputs, so paths come in groups of as many, not " +
                              std::to_string(paths.size()));
  }
  Session session(bundle, options);
  for (std::size_t at = 0; at < paths.size(); at += each) {
    try {
      std::vector<Tensor> inputs;
      for (std::size_t i = 0; i < each; ++i) inputs.push_back(read_input(bundle.inputs[i], paths[at + i], options));
      session.infer(paths[at], inputs);
    } catch (const Failure& failure) {
      session.report(paths[at], failure);
    } catch (const std::bad_alloc&) {
      session.report(paths[at], {kEnvironment, paths[at] + ": not enough memory"});
    }
  }
  return session.exit_code();
}

int run_stream(const Bundle& bundle, const Options& options) {
  if (bundle.inputs.front().stream) return run_samples(bundle, options);
  std::vector<Slot> slots;
  for (const TensorSpec& spec : bundle.inputs) slots.push_back(slot_of(spec, options));
  Session session(bundle, options);
  for (std::size_t index = 0;; ++index) {
    const std::string source = "frame " + std::to_string(index);
    try {
      if (!fill(slots, source, options.ppm)) return session.exit_code();
    } catch (const Failure& failure) {  // a stream cut off within a frame has no next one
      session.report(source, failure);
      return session.exit_code();
    }
    try {
      std::vector<Tensor> inputs;
      for (Slot& slot : slots) inputs.push_back(slot.tensor(source));
      session.infer(source, inputs);
    } catch (const Failure& failure) {
      session.report(source, failure);
    }
  }
}

int run_preprocess(const Bundle& bundle, const Options& options) {
  const auto found = std::find_if(bundle.inputs.begin(), bundle.inputs.end(), [](const TensorSpec& spec) { return spec.image.has_value(); });
  if (found == bundle.inputs.end()) throw Failure(kUsage, "the model takes no picture");
  for (const std::string& path : expanded(options.paths)) {
    const Picture picture = fit(read_picture(path), *found->image);
    write_out(picture.rgb.data(), picture.rgb.size());
  }
  return kOk;
}
