// Golden vectors: recorded inputs, and the outputs that the artifact gave for them when it was built.
#pragma once

#include <string>
#include <vector>

#include "model.h"

// The element that came closest to its limit, or went furthest over it.
struct GoldenResult {
  bool passed = true;
  int vectors = 0;
  std::string sample;
  std::string reason;
  double error = 0;
  double allowed = 0;
};

// Reads a vector's inputs. Throws Failure: environment, or integrity when a file has not the size of its shape.
std::vector<Tensor> golden_inputs(const Bundle& bundle, const GoldenVector& vector);

// Runs every vector: |actual - expected| <= absolute + relative * max|expected| and finite, for each element.
// Throws Failure (integrity) where there is none.
GoldenResult run_golden(const Bundle& bundle, Model& model);
