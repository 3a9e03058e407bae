#include "bundle.h"

#include <algorithm>

#include "failure.h"
#include "files.h"
#include "json.h"

namespace {

constexpr std::size_t kManifestLimit = 16 << 20;
constexpr std::int64_t kElementLimit = 1 << 30;
constexpr int kRankLimit = 8;
constexpr int kThreadLimit = 256;

// A path inside the bundle: relative, no "..", nothing empty.
std::string inside(const Json& value) {
  const std::string& path = value.text();
  std::size_t start = 0;
  for (std::size_t end = 0; end != std::string::npos; start = end + 1) {
    end = path.find('/', start);
    const std::string part = path.substr(start, end == std::string::npos ? end : end - start);
    if (part.empty() || part == "." || part == ".." || part.find('\0') != std::string::npos) {
      throw Failure(kIntegrity, "bundle.json names a path outside the bundle: " + path);
    }
  }
  return path;
}

std::vector<std::string> paths(const Json& value) {
  std::vector<std::string> result;
  for (const Json& item : value.items()) result.push_back(inside(item));
  return result;
}

Shape shape(const Json& value) {
  Shape result;
  for (const Json& item : value.items()) result.push_back(static_cast<std::int32_t>(item.integer(1, kElementLimit)));
  if (result.size() > kRankLimit) throw Failure(kIntegrity, "bundle.json has a tensor of more than 8 axes");
  elements(result);
  return result;
}

std::vector<Shape> shapes(const Json& value) {
  std::vector<Shape> result;
  for (const Json& item : value.items()) result.push_back(shape(item));
  return result;
}

std::optional<ImageSpec> image(const Json* value, const TensorSpec& spec) {
  if (value == nullptr) return std::nullopt;
  static const std::vector<std::string> kFits = {"stretch", "cover", "contain"};
  const auto found = std::find(kFits.begin(), kFits.end(), value->at("fit").text());
  if (found == kFits.end()) throw Failure(kIntegrity, "bundle.json: fit is not stretch, cover or contain");
  const int width = static_cast<int>(value->at("width").integer(1, 1 << 15));
  const int height = static_cast<int>(value->at("height").integer(1, 1 << 15));
  const std::string type = spec.dtype->name;
  if (spec.shape != Shape{1, height, width, 3} || (type != "float32" && type != "uint8")) {
    throw Failure(kIntegrity, "bundle.json: image input " + spec.name + " is not float32 or uint8 [1, height, width, 3]");
  }
  return ImageSpec{width, height, static_cast<Fit>(found - kFits.begin())};
}

std::optional<StreamSpec> stream(const Json* value, const TensorSpec& spec) {
  if (value == nullptr) return std::nullopt;
  const StreamSpec result{value->at("rate").number(), static_cast<std::size_t>(value->at("hop").integer(1, kElementLimit))};
  const std::size_t axes = spec.shape.size();
  const bool window = (axes == 2 || axes == 3) && spec.shape == spec.minimum && spec.shape[0] == 1 && std::string(spec.dtype->name) == "float32";
  if (!window || result.rate <= 0 || result.hop > static_cast<std::size_t>(spec.shape[axes - 1])) {
    throw Failure(kIntegrity, "bundle.json: the stream of " + spec.name + " does not fit its shape " + shown(spec.shape));
  }
  return result;
}

TensorSpec tensor(const Json& value) {
  TensorSpec spec;
  spec.name = value.at("name").text();
  spec.dtype = dtype_named(value.at("dtype").text());
  if (spec.dtype == nullptr) throw Failure(kIntegrity, "bundle.json: unknown dtype " + value.at("dtype").text());
  spec.shape = shape(value.at("shape"));
  const Json* minimum = value.find("minimum");
  spec.minimum = minimum == nullptr ? spec.shape : shape(*minimum);
  bool ordered = spec.minimum.size() == spec.shape.size();
  for (std::size_t i = 0; ordered && i < spec.shape.size(); ++i) ordered = spec.minimum[i] <= spec.shape[i];
  if (!ordered) throw Failure(kIntegrity, "bundle.json: minimum of " + spec.name + " does not fit its shape");
  spec.image = image(value.find("image"), spec);
  spec.stream = stream(value.find("stream"), spec);
  if (const Json* audio = value.find("audio")) {
    const double rate = static_cast<double>(audio->at("sample_rate").integer(1, 1 << 24));
    if (!spec.stream || spec.stream->rate != rate || spec.shape.size() != 2) {
      throw Failure(kIntegrity, "bundle.json: the sound of " + spec.name + " does not fit its stream");
    }
    spec.audio = true;
  }
  return spec;
}

std::vector<TensorSpec> tensors(const Json& value) {
  std::vector<TensorSpec> result;
  for (const Json& item : value.items()) result.push_back(tensor(item));
  if (result.empty()) throw Failure(kIntegrity, "bundle.json: a model has at least one input and one output");
  return result;
}

std::vector<GoldenVector> vectors(const Json& value, const Bundle& bundle) {
  std::vector<GoldenVector> result;
  for (const Json& item : value.items()) {
    GoldenVector vector;
    vector.sample = item.at("sample").text();
    vector.inputs = paths(item.at("inputs"));
    vector.outputs = paths(item.at("outputs"));
    vector.input_shapes = shapes(item.at("input_shapes"));
    vector.output_shapes = shapes(item.at("output_shapes"));
    if (const Json* picture = item.find("picture")) vector.picture = inside(*picture);
    if (vector.inputs.size() != bundle.inputs.size() || vector.input_shapes.size() != bundle.inputs.size() ||
        vector.outputs.size() != bundle.outputs.size() || vector.output_shapes.size() != bundle.outputs.size()) {
      throw Failure(kIntegrity, "bundle.json: golden vector " + vector.sample + " does not have the model's inputs and outputs");
    }
    result.push_back(std::move(vector));
  }
  return result;
}

std::vector<Budget> budgets(const Json& value) {
  std::vector<Budget> result;
  for (const Json& item : value.items()) {
    const Json* of = item.find("of");
    const Json* after = item.find("after");
    result.push_back({item.at("name").text(), item.at("kind").text(), item.at("statistic").text(), item.at("limit").number(),
                      of != nullptr && of->text() == "pipeline", after == nullptr ? 0 : after->number()});
  }
  return result;
}

void read_model(const Json& model, Bundle& bundle) {
  bundle.model_file = inside(model.at("file"));
  bundle.model_sha256 = model.at("sha256").text();
  bundle.model_bytes = static_cast<std::size_t>(model.at("bytes").integer(1, std::int64_t{1} << 40));
}

void read_golden(const Json& golden, Bundle& bundle) {
  bundle.golden_absolute = golden.at("absolute").number();
  bundle.golden_relative = golden.at("relative").number();
  if (bundle.golden_absolute < 0 || bundle.golden_relative < 0) throw Failure(kIntegrity, "bundle.json: a tolerance is negative");
  bundle.golden = vectors(golden.at("vectors"), bundle);
}

}  // namespace

std::size_t elements(const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int32_t axis : shape) {
    count *= axis;
    if (count > kElementLimit) throw Failure(kIntegrity, "a tensor of shape " + shown(shape) + " is too large");
  }
  return static_cast<std::size_t>(count);
}

std::string shown(const Shape& shape) {
  std::string text = "[";
  for (const std::int32_t axis : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(axis);
  return text + "]";
}

Bundle read_bundle(const std::string& folder) {
  const Bytes bytes = read_file(folder + "/bundle.json", kManifestLimit);
  const Json json = Json::parse(std::string(bytes.begin(), bytes.end()), "bundle.json");
  if (json.at("schema").text() != "edgec/bundle/v1") throw Failure(kIntegrity, "bundle.json is not of schema edgec/bundle/v1");
  Bundle bundle;
  bundle.folder = folder;
  bundle.name = json.at("name").text();
  bundle.version = json.at("version").text();
  bundle.target = json.at("target").text();
  read_model(json.at("model"), bundle);
  bundle.threads = static_cast<int>(json.at("threads").integer(1, kThreadLimit));
  bundle.inputs = tensors(json.at("inputs"));
  bundle.outputs = tensors(json.at("outputs"));
  bundle.task = json.at("task").at("name").text();
  for (const Json& label : json.at("task").at("labels").items()) bundle.labels.push_back(label.text());
  bundle.task_options = json.at("task").at("options");
  read_golden(json.at("golden"), bundle);
  bundle.budgets = budgets(json.at("budgets"));
  return bundle;
}
