// Segmentation: each pixel's largest score of the first output; the share of each class, and on request the mask.
#pragma once

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

#include "failure.h"
#include "files.h"
#include "json.h"
#include "model.h"

class SegmentationPrinter {
 public:
  // Masks are written into the folder `masks`, none where that is "". Throws Failure (integrity) when the first output is
  // not a plane of floats for each label, Failure (usage) where more classes than a byte holds were to be written.
  SegmentationPrinter(const Bundle& bundle, const std::string& masks) : masks_(masks) {
    const TensorSpec& scores = bundle.outputs.front();
    if (!scores.dtype->floating || scores.shape.size() != 4 || scores.shape[0] != 1) {
      throw Failure(kIntegrity, "bundle.json: segmentation takes scores [1, classes, height, width], output " + scores.name + " is " + shown(scores.shape));
    }
    if (!bundle.labels.empty() && bundle.labels.size() != static_cast<std::size_t>(scores.shape[1])) {
      throw Failure(kIntegrity, "bundle.json has " + std::to_string(bundle.labels.size()) + " labels for " + std::to_string(scores.shape[1]) + " classes");
    }
    if (!masks.empty() && scores.shape[1] > 256) throw Failure(kUsage, "--masks writes a byte a pixel, and the model has more than 256 classes");
  }

  bool operator()(JsonWriter& line, const Bundle& bundle, const std::vector<Tensor>&, const std::vector<View>& outputs, int) {
    const View& view = outputs.front();
    const auto classes = static_cast<std::size_t>(view.shape[1]), pixels = view.count() / classes;
    decide(view, classes, pixels);
    std::vector<std::size_t> counts(classes, 0), order(classes);
    for (const std::uint16_t index : decided_) ++counts[index];
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return counts[a] > counts[b]; });
    line.field("width", view.shape[3]).field("height", view.shape[2]).key("classes").open('[');
    for (const std::size_t index : order) {
      if (counts[index] == 0) break;
      line.open('{').field("label", bundle.labels.empty() ? std::to_string(index) : bundle.labels[index]);
      line.field("index", static_cast<std::int64_t>(index)).field("pixels", static_cast<std::int64_t>(counts[index]));
      line.field("share", static_cast<double>(counts[index]) / static_cast<double>(pixels)).close('}');
    }
    line.close(']');
    if (!masks_.empty()) line.field("mask", write_mask(view.shape[3], view.shape[2]));
    return true;
  }

 private:
  // Of equal scores the first class wins, as argmax has it. Planes are read one after another, as they lie in memory.
  void decide(const View& view, std::size_t classes, std::size_t pixels) {
    const DType& dtype = *view.spec->dtype;
    const bool plain = dtype.code == kFloat32;
    best_.resize(pixels);
    decided_.assign(pixels, 0);
    for (std::size_t c = 0; c < classes; ++c) {
      const float* plane = plain ? static_cast<const float*>(view.data) + c * pixels : nullptr;
      for (std::size_t i = 0; i < pixels; ++i) {
        const float score = plain ? plane[i] : static_cast<float>(element(dtype, view.data, c * pixels + i));
        if (c > 0 && !(score > best_[i])) continue;
        best_[i] = score;
        decided_[i] = static_cast<std::uint16_t>(c);
      }
    }
  }

  // A PGM (netpbm's P5), a byte a pixel: its class's index. Every tool reads it, and nothing is lost.
  std::string write_mask(std::int32_t width, std::int32_t height) {
    char name[32];
    std::snprintf(name, sizeof name, "/%06zu.pgm", written_++);
    const std::string path = masks_ + name, head = "P5\n" + std::to_string(width) + " " + std::to_string(height) + "\n255\n";
    Bytes content(head.begin(), head.end());
    content.reserve(content.size() + decided_.size());
    for (const std::uint16_t index : decided_) content.push_back(static_cast<std::uint8_t>(index));
    write_file(path, content.data(), content.size());
    return path;
  }

  std::string masks_;
  std::size_t written_ = 0;
  std::vector<float> best_;
  std::vector<std::uint16_t> decided_;
};
