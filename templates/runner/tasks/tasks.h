// What outputs mean, per task: each adds its fields to the line that is printed for one inference.
#pragma once

#include <functional>
#include <string>

#include "anomaly.h"
#include "classification.h"
#include "detection.h"
#include "embedding.h"
#include "keyword_spotting.h"
#include "regression.h"
#include "segmentation.h"
#include "tensor.h"

// Says whether what it printed is an event, something that began or ended. It may remember what went before: it belongs
// to one session.
using TaskPrinter = std::function<bool(JsonWriter& line, const Bundle& bundle, const std::vector<Tensor>& inputs,
                                       const std::vector<View>& outputs, int top)>;

inline TaskPrinter always(void (*print)(JsonWriter&, const Bundle&, const std::vector<View>&, int)) {
  return [print](JsonWriter& line, const Bundle& bundle, const std::vector<Tensor>&, const std::vector<View>& outputs, int top) {
    print(line, bundle, outputs, top);
    return true;
  };
}

// Returns a new printer of the bundle's task; `masks` is the folder of --masks, or "". Throws Failure (integrity) for a task
// that this runner does not have, (usage) for masks of one that makes none.
inline TaskPrinter task_printer(const Bundle& bundle, const std::string& masks = "") {
  if (!masks.empty() && bundle.task != "segmentation") throw Failure(kUsage, "--masks is for the task segmentation, this is " + bundle.task);
  if (bundle.task == "segmentation") return SegmentationPrinter(bundle, masks);
  if (bundle.task == "classification") {
    check_classification(bundle);
    return always(print_classification);
  }
  if (bundle.task == "embedding") {
    check_embedding(bundle);
    return always(print_embedding);
  }
  if (bundle.task == "regression") {
    check_regression(bundle);
    return always(print_regression);
  }
  if (bundle.task == "anomaly") return AnomalyPrinter(bundle);
  if (bundle.task == "detection") return DetectionPrinter(bundle);
  if (bundle.task == "keyword-spotting") return KeywordPrinter(bundle);
  if (bundle.task == "tensor") return always(print_tensors);
  throw Failure(kIntegrity, "bundle.json names the task " + bundle.task + ", which this runner does not have");
}
