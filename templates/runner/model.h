// The artifact, loaded: model.pte hashed, checked against bundle.json, and run.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bundle.h"
#include "files.h"

// One input or output: `spec` is bundle.json's, `data` contiguous and little-endian; `picture` is the size that an image
// had before it was fitted.
struct Tensor {
  const TensorSpec* spec;
  Shape shape;
  Bytes data;
  PictureSize picture = {};
};

// A look at an output; valid until the next run.
struct View {
  const TensorSpec* spec;
  Shape shape;
  const void* data;

  std::size_t count() const { return elements(shape); }
  std::size_t bytes() const { return count() * spec->dtype->size; }
};

// Returns model.pte's bytes after comparing their sha256 with bundle.json's. Throws Failure (environment, integrity).
Bytes verified_model(const Bundle& bundle);

// Throws Failure (`code`) with the input's name when a shape is out of its bounds.
void check_shape(const TensorSpec& spec, const Shape& shape, int code);

// Throws Failure (environment) with the input's name when a shape is out of bounds, the size of the data is not the
// shape's, or a value is NaN or infinite.
void check_input(const Tensor& input);

class Model {
 public:
  // Loads the bytes that were hashed, never the file again. With `profile`, every run is traced.
  // Throws Failure (model) when the runtime refuses it or its signature is not bundle.json's.
  Model(const Bundle& bundle, int threads, bool profile = false);
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  // Binds inputs, in order; they must outlive the runs. Throws Failure (environment), see check_input.
  void bind(const std::vector<Tensor>& inputs);

  // Runs what is bound. Throws Failure (model).
  void run();

  // Returns the last run's outputs. Throws Failure (model) when their shape or dtype is not bundle.json's.
  std::vector<View> outputs() const;

  // Seconds from the start of reading the file to a model that is ready.
  double load_seconds() const { return load_seconds_; }

  // Returns the trace of all runs. Throws Failure (model) when there is none.
  Bytes trace() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
  double load_seconds_;
};

// Throws Failure (model) with the output's name when a value is NaN or infinite.
void check_finite(const std::vector<View>& outputs);

std::vector<std::string> registered_backends();
std::vector<std::string> registered_kernels();
