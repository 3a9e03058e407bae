// What outputs mean, per task: each adds its fields to the line that is printed for one inference.
#pragma once

#include <string>

#include "classification.h"
#include "embedding.h"
#include "regression.h"
#include "tensor.h"

using TaskPrinter = void (*)(JsonWriter& line, const Bundle& bundle, const std::vector<View>& outputs, int top);

// Returns the printer of the bundle's task. Throws Failure (integrity) for one that this runner does not have.
inline TaskPrinter task_printer(const Bundle& bundle) {
  if (bundle.task == "classification") {
    check_classification(bundle);
    return print_classification;
  }
  if (bundle.task == "embedding") {
    check_embedding(bundle);
    return print_embedding;
  }
  if (bundle.task == "regression") {
    check_regression(bundle);
    return print_regression;
  }
  if (bundle.task == "tensor") return print_tensors;
  throw Failure(kIntegrity, "bundle.json names the task " + bundle.task + ", which this runner does not have");
}
