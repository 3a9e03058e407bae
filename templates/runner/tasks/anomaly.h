// Anomaly: the first output is a score; an alarm begins and ends with hysteresis.
#pragma once

#include "failure.h"
#include "json.h"
#include "model.h"

class AnomalyPrinter {
 public:
  // Throws Failure (integrity) when the first output is not one float.
  explicit AnomalyPrinter(const Bundle& bundle) {
    const TensorSpec& score = bundle.outputs.front();
    if (!score.dtype->floating || elements(score.shape) != 1) {
      throw Failure(kIntegrity, "bundle.json: anomaly takes one score, output " + score.name + " is " + shown(score.shape));
    }
    const Json& options = bundle.task_options;
    alarms_ = options.find("threshold") != nullptr;
    if (!alarms_) return;
    threshold_ = options.at("threshold").number();
    clear_ = options.find("clear") == nullptr ? threshold_ : options.at("clear").number();
    after_ = options.find("after") == nullptr ? 1 : options.at("after").integer(1, 1 << 20);
  }

  // Scores at or above the threshold, `after` in a row, begin an alarm; one below `clear` ends it.
  bool operator()(JsonWriter& line, const Bundle&, const std::vector<Tensor>&, const std::vector<View>& outputs, int) {
    const View& view = outputs.front();
    const double score = element(*view.spec->dtype, view.data, 0);
    line.field("score", score);
    if (!alarms_) return true;
    const bool was = alarm_;
    above_ = score >= threshold_ ? above_ + 1 : 0;
    if (above_ >= after_) alarm_ = true;
    if (score < clear_) alarm_ = false;
    line.field("alarm", alarm_);
    if (alarm_ != was) line.field("event", std::string(alarm_ ? "alarm" : "clear"));
    return alarm_ != was;
  }

 private:
  bool alarms_ = false;
  bool alarm_ = false;
  double threshold_ = 0;
  double clear_ = 0;
  std::int64_t after_ = 1;
  std::int64_t above_ = 0;
};
