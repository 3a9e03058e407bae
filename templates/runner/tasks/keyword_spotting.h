// Keyword spotting: the first output's softmax, its mean over the last windows of a stream, and the keywords told by it.
#pragma once

#include <algorithm>
#include <cmath>
#include <deque>
#include <string>
#include <vector>

#include "classification.h"

class KeywordPrinter {
 public:
  // Throws Failure (integrity) when the first output is not one row of scores, or the options do not fit the labels.
  explicit KeywordPrinter(const Bundle& bundle) {
    check_classification(bundle);
    const Json& options = bundle.task_options;
    const std::size_t classes = elements(bundle.outputs.front().shape);
    keyword_.assign(classes, true);
    if (const Json* background = options.find("background")) {
      for (const Json& name : background->items()) {
        const auto found = std::find(bundle.labels.begin(), bundle.labels.end(), name.text());
        if (found == bundle.labels.end()) throw Failure(kIntegrity, "bundle.json: no label is called " + name.text());
        keyword_[static_cast<std::size_t>(found - bundle.labels.begin())] = false;
      }
    }
    if (const Json* threshold = options.find("threshold")) threshold_ = threshold->number();
    const auto& stream = bundle.inputs.front().stream;
    if (!stream) return;  // inputs that do not follow each other in time: each for itself
    smoothing_ = 3;
    if (const Json* smoothing = options.find("smoothing")) smoothing_ = static_cast<std::size_t>(smoothing->integer(1, 1 << 10));
    const Json* refractory = options.find("refractory");
    const double pause = refractory == nullptr ? 1.0 : refractory->number();
    pause_ = static_cast<std::size_t>(std::ceil(pause * stream->rate / static_cast<double>(stream->hop) - 1e-9));
    since_ = pause_;
  }

  // A keyword is told where its mean is the highest and reaches the threshold, and none was told within the pause.
  bool operator()(JsonWriter& line, const Bundle& bundle, const std::vector<Tensor>&, const std::vector<View>& outputs, int top) {
    last_.push_back(softmax(outputs.front()));
    if (last_.size() > smoothing_) last_.pop_front();
    std::vector<double> mean(keyword_.size(), 0.0);
    for (const std::vector<double>& window : last_) {
      for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += window[i] / static_cast<double>(last_.size());
    }
    const std::size_t best = print_best(line, bundle, mean, top);
    ++since_;
    const bool told = keyword_[best] && mean[best] >= threshold_ && since_ >= pause_;
    if (told) {
      since_ = 0;
      line.field("event", std::string("keyword"));
    }
    return told;
  }

 private:
  std::vector<bool> keyword_;
  double threshold_ = 0.8;
  std::size_t smoothing_ = 1;
  std::size_t pause_ = 0;
  std::size_t since_ = 0;  // windows since the last one that was told
  std::deque<std::vector<double>> last_;
};
