#include "pipeline.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "bench.h"
#include "clock.h"
#include "failure.h"
#include "inputs.h"

namespace {

using Feed = std::function<std::vector<Tensor>()>;

// The pixels of an image input as a camera's frame of that size.
Picture frame_of(const Tensor& input) {
  Picture frame{input.spec->image->width, input.spec->image->height, Bytes(elements(input.shape))};
  for (std::size_t i = 0; i < frame.rgb.size(); ++i) {
    frame.rgb[i] = static_cast<std::uint8_t>(std::lround(element(*input.spec->dtype, input.data.data(), i)));
  }
  return frame;
}

// A window [1, channels, length] as its samples come, channels interleaved.
std::vector<float> samples_of(const Tensor& input, std::size_t channels) {
  const std::size_t length = elements(input.shape) / channels;
  std::vector<float> samples(channels * length);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    samples[i] = static_cast<float>(element(*input.spec->dtype, input.data.data(), (i % channels) * length + i / channels));
  }
  return samples;
}

Feed picture_feed(const TensorSpec& spec, Bytes file, const std::string& name) {
  return [&spec, file = std::move(file), name] {
    try {
      return std::vector<Tensor>{image_tensor(spec, decode(file, name))};
    } catch (const Failure& failure) {  // the bundle's own picture
      throw Failure(kIntegrity, failure.message);
    }
  };
}

Feed window_feed(const Tensor& input) {
  const std::size_t channels = input.shape.size() == 3 ? static_cast<std::size_t>(input.shape[1]) : 1;
  return [spec = input.spec, samples = samples_of(input, channels), channels] {
    return std::vector<Tensor>{window_tensor(*spec, samples, channels, 0)};
  };
}

Feed tensor_feed(const std::vector<Tensor>& inputs) {
  std::vector<Picture> frames;
  for (const Tensor& input : inputs) frames.push_back(input.spec->image ? frame_of(input) : Picture{});
  return [inputs, frames] {
    std::vector<Tensor> made;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      made.push_back(inputs[i].spec->image ? image_tensor(*inputs[i].spec, frames[i]) : inputs[i]);
    }
    return made;
  };
}

}  // namespace

Pipeline::Pipeline(const Bundle& bundle, Model& model, int top)
    : bundle_(bundle), model_(model), top_(top), print_(task_printer(bundle)) {
  const TensorSpec& first = bundle.inputs.front();
  for (const GoldenVector& vector : bundle.golden) {
    if (vector.picture.empty() || bundle.inputs.size() != 1 || !first.image) continue;
    feeds_.push_back(picture_feed(first, read_file(bundle.path(vector.picture), kPictureFileLimit), vector.picture));
  }
  if (!feeds_.empty()) {
    inputs_ = "pictures";
    return;
  }
  for (const std::vector<Tensor>& inputs : bench_inputs(bundle)) {
    feeds_.push_back(first.stream ? window_feed(inputs.front()) : tensor_feed(inputs));
  }
  inputs_ = first.image ? "frames" : first.stream ? "windows" : "tensors";
}

Pass Pipeline::run() {
  const double start = now_seconds();
  const std::vector<Tensor> inputs = feeds_[next_++ % feeds_.size()]();
  model_.bind(inputs);
  const double bound = now_seconds();
  model_.run();
  const double ran = now_seconds();
  const std::vector<View> outputs = model_.outputs();
  check_finite(outputs);
  JsonWriter line;
  line.open('{').field("source", bundle_.name);
  print_(line, bundle_, inputs, outputs, top_);
  line.field("latency_ms", (ran - bound) * 1e3).close('}');
  return {bound - start, ran - bound, now_seconds() - ran};
}

PipelineBench run_pipeline(Pipeline& pipeline, int samples, int warmup) {
  std::vector<double> pre, execute, post, total;
  for (int i = -warmup; i < samples; ++i) {
    const Pass pass = pipeline.run();
    if (i < 0) continue;
    pre.push_back(pass.pre);
    execute.push_back(pass.execute);
    post.push_back(pass.post);
    total.push_back(pass.total());
  }
  return {pipeline.inputs(), times_of(std::move(pre)), times_of(std::move(execute)), times_of(std::move(post)),
          times_of(std::move(total))};
}

void write_pipeline(JsonWriter& json, const PipelineBench& bench) {
  json.open('{').field("inputs", bench.inputs).field("samples", static_cast<std::int64_t>(bench.total.count()));
  write_times(json, "pre", bench.pre);
  write_times(json, "execute", bench.execute);
  write_times(json, "post", bench.post);
  write_times(json, "total", bench.total);
  json.field("throughput_hz", bench.total.rate()).close('}');
}
