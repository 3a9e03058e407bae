// bundle.json as the runner needs it, checked on reading (the format is docs/bundle.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dtype.h"
#include "json.h"

using Shape = std::vector<std::int32_t>;

enum class Fit { kStretch, kCover, kContain };

// In pixels; 0 x 0 of what is no picture.
struct PictureSize {
  int width = 0;
  int height = 0;
};

struct ImageSpec {
  int width;
  int height;
  Fit fit;
};

// The last axis is a window over a stream of samples, `rate` a second, that moves on by `hop`; the axis before it channels.
struct StreamSpec {
  double rate;
  std::size_t hop;
};

// `shape` holds upper bounds; `minimum` differs where an axis is dynamic.
struct TensorSpec {
  std::string name;
  const DType* dtype;
  Shape shape;
  Shape minimum;
  std::optional<ImageSpec> image;
  std::optional<StreamSpec> stream;
  bool audio = false;  // the stream is sound of one channel in -1..1
};

struct GoldenVector {
  std::string sample;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  std::vector<Shape> input_shapes;
  std::vector<Shape> output_shapes;
  std::string picture;  // the file that the input was decoded from, or ""
};

struct Budget {
  std::string name;
  std::string kind;
  std::string statistic;
  double limit;
  bool pipeline;  // of the whole pipeline, not of the execution alone
  double after;   // seconds of load before it is judged
};

struct Bundle {
  std::string folder;
  std::string name;
  std::string version;
  std::string target;
  std::string model_file;
  std::string model_sha256;
  std::size_t model_bytes;
  int threads;
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  std::string task;
  std::vector<std::string> labels;
  Json task_options;
  double golden_absolute;
  double golden_relative;
  std::vector<GoldenVector> golden;
  std::vector<Budget> budgets;

  std::string path(const std::string& relative) const { return folder + "/" + relative; }
};

// Returns the number of elements, at most 2^30. Throws Failure (integrity).
std::size_t elements(const Shape& shape);

// Returns "[1, 96, 96, 3]".
std::string shown(const Shape& shape);

// Reads and checks FOLDER/bundle.json. Throws Failure: environment when it cannot be read, integrity when it is wrong.
Bundle read_bundle(const std::string& folder);
