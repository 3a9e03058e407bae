// Detection: raw heads of YOLOv3 to boxes in the source picture's pixels, the best of those that overlap kept, by class.
// Equal to compiler/edgec/tasks/detections.py, the reference that the host evaluates with; change both or neither.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "best.h"
#include "failure.h"
#include "image.h"
#include "json.h"
#include "model.h"

struct Detection {
  double score;
  double left, upper, right, lower;
  std::size_t label;
};

class DetectionPrinter {
 public:
  // Throws Failure (integrity) when the model takes another input than one picture, or its outputs are not the heads that
  // the options describe: [1, anchors x (5 + classes), rows, columns] of floats.
  explicit DetectionPrinter(const Bundle& bundle) {
    const Json& options = bundle.task_options;
    for (const Json& head : options.at("anchors").items()) {
      anchors_.emplace_back();
      for (const Json& anchor : head.items()) {
        if (anchor.items().size() != 2) throw Failure(kIntegrity, "bundle.json has an anchor that is no width and height");
        anchors_.back().emplace_back(anchor.items()[0].number(), anchor.items()[1].number());
      }
    }
    score_ = option(options, "score_threshold", 0.25);
    overlap_ = option(options, "iou_threshold", 0.45);
    most_ = static_cast<std::size_t>(option(options, "max_detections", 100));
    least_logit_ = score_ > 0 && score_ < 1 ? std::log(score_ / (1 - score_)) - 1e-6 : -HUGE_VAL;
    if (bundle.inputs.size() != 1 || !bundle.inputs.front().image) throw Failure(kIntegrity, "bundle.json: detection takes one picture");
    bool fits = bundle.outputs.size() == anchors_.size() && !bundle.labels.empty();
    for (std::size_t i = 0; fits && i < anchors_.size(); ++i) {
      const TensorSpec& head = bundle.outputs[i];
      const std::size_t channels = anchors_[i].size() * (5 + bundle.labels.size());
      fits = head.dtype->floating && head.shape.size() == 4 && head.shape[0] == 1 && static_cast<std::size_t>(head.shape[1]) == channels;
    }
    if (!fits) throw Failure(kIntegrity, "bundle.json: the outputs are not the heads that the task's labels and anchors describe");
  }

  bool operator()(JsonWriter& line, const Bundle& bundle, const std::vector<Tensor>& inputs, const std::vector<View>& outputs, int) const {
    line.key("detections").open('[');
    for (const Detection& found : detections(bundle, inputs.front().picture, outputs)) {
      line.open('{').field("label", bundle.labels[found.label]).field("score", rounded(found.score, 1e6)).key("box").open('[');
      line.value(rounded(found.left, 100)).value(rounded(found.upper, 100));
      line.value(rounded(found.right - found.left, 100)).value(rounded(found.lower - found.upper, 100));
      line.close(']').close('}');
    }
    line.close(']');
    return true;
  }

 private:
  // More than this many candidates are cut off at the lowest scores before they are compared with each other.
  static constexpr std::size_t kCandidates = 1000;
  // Of a width's or height's logarithm, against overflow: 2,981 times the anchor.
  static constexpr double kLargestLogarithm = 8;

  static double option(const Json& options, const char* name, double otherwise) {
    const Json* found = options.find(name);
    return found == nullptr ? otherwise : found->number();
  }

  static double rounded(double value, double steps) { return std::floor(value * steps + 0.5) / steps; }

  static double sigmoid(double logit) { return 1 / (1 + std::exp(-logit)); }

  // The best first; of equal scores the one that comes first in the heads.
  std::vector<Detection> detections(const Bundle& bundle, const PictureSize& picture, const std::vector<View>& outputs) const {
    const ImageSpec& image = *bundle.inputs.front().image;
    Best<Detection> best(kCandidates);
    for (std::size_t i = 0; i < outputs.size(); ++i) decode(outputs[i], anchors_[i], bundle.labels.size(), image, best);
    const Placement place = placement(picture, image);
    std::vector<Detection> kept, placed;
    for (const Detection& candidate : best.sorted()) {
      if (placed.size() == most_) break;
      const auto covers = [&](const Detection& better) { return better.label == candidate.label && iou(better, candidate) > overlap_; };
      if (std::any_of(kept.begin(), kept.end(), covers)) continue;
      kept.push_back(candidate);
      const Detection found = in_source(candidate, place, picture);
      if (found.right > found.left && found.lower > found.upper) placed.push_back(found);
    }
    return placed;
  }

  // The logit from which on a class may give a score of at least ``least`` beside this objectness. A little too low: what
  // passes is computed and compared.
  static double least_class(double least, double object) {
    if (least <= 0) return -HUGE_VAL;
    const double share = least / object;
    return share < 1 - 1e-6 ? std::log(share / (1 - share)) - 1e-3 : 0;
  }

  // Adds every pair of box and class whose score, objectness times class, reaches the threshold; in the input's pixels.
  void decode(const View& head, const std::vector<std::pair<double, double>>& anchors, std::size_t classes, const ImageSpec& image,
              Best<Detection>& best) const {
    const auto rows = static_cast<std::size_t>(head.shape[2]), columns = static_cast<std::size_t>(head.shape[3]), plane = rows * columns;
    const double across = static_cast<double>(image.width) / static_cast<double>(columns);
    const double down = static_cast<double>(image.height) / static_cast<double>(rows);
    for (std::size_t a = 0; a < anchors.size(); ++a) {
      for (std::size_t cell = 0; cell < plane; ++cell) {
        const auto at = [&](std::size_t channel) {
          return element(*head.spec->dtype, head.data, (a * (5 + classes) + channel) * plane + cell);
        };
        const double objectness = at(4);
        if (objectness < least_logit_) continue;
        const double object = sigmoid(objectness);
        const double x = (sigmoid(at(0)) + static_cast<double>(cell % columns)) * across;
        const double y = (sigmoid(at(1)) + static_cast<double>(cell / columns)) * down;
        const double width = std::exp(std::min(at(2), kLargestLogarithm)) * anchors[a].first;
        const double height = std::exp(std::min(at(3), kLargestLogarithm)) * anchors[a].second;
        const double least = least_class(std::max(score_, best.bar()), object);
        for (std::size_t label = 0; label < classes; ++label) {
          const double logit = at(5 + label);
          if (logit < least) continue;
          const double score = object * sigmoid(logit);
          if (score >= score_) best.add({score, x - width / 2, y - height / 2, x + width / 2, y + height / 2, label});
        }
      }
    }
  }

  static double iou(const Detection& a, const Detection& b) {
    const double width = std::min(a.right, b.right) - std::max(a.left, b.left);
    const double height = std::min(a.lower, b.lower) - std::max(a.upper, b.upper);
    if (width <= 0 || height <= 0) return 0;
    const double shared = width * height;
    return shared / ((a.right - a.left) * (a.lower - a.upper) + (b.right - b.left) * (b.lower - b.upper) - shared);
  }

  // What of it lies within the source picture.
  static Detection in_source(const Detection& found, const Placement& place, const PictureSize& picture) {
    const double width = picture.width, height = picture.height;
    return {found.score,
            std::clamp(found.left * place.across + place.left, 0.0, width),
            std::clamp(found.upper * place.down + place.upper, 0.0, height),
            std::clamp(found.right * place.across + place.left, 0.0, width),
            std::clamp(found.lower * place.down + place.upper, 0.0, height),
            found.label};
  }

  std::vector<std::vector<std::pair<double, double>>> anchors_;
  double score_;
  double overlap_;
  double least_logit_;
  std::size_t most_;
};
