// The best so many of any number of things.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

// The best of what is added, by its score: at most so many, and of equal scores those that came first; as if all had been
// kept, sorted stably and cut off.
template <typename Item>
class Best {
 public:
  explicit Best(std::size_t most) : most_(most) {}

  // What has no higher score than this would not be among them, if it were added now.
  double bar() const { return bar_; }

  void add(const Item& one) {
    if (!(one.score > bar_)) return;
    found_.push_back({one, next_++});
    if (found_.size() >= 2 * most_) cut();
  }

  // The best first.
  std::vector<Item> sorted() {
    std::sort(found_.begin(), found_.end(), before);
    if (found_.size() > most_) found_.resize(most_);
    std::vector<Item> all;
    all.reserve(found_.size());
    for (const Entry& entry : found_) all.push_back(entry.one);
    return all;
  }

 private:
  struct Entry {
    Item one;
    std::size_t order;
  };

  static bool before(const Entry& a, const Entry& b) { return a.one.score != b.one.score ? a.one.score > b.one.score : a.order < b.order; }

  void cut() {
    const auto last = found_.begin() + static_cast<std::ptrdiff_t>(most_) - 1;
    std::nth_element(found_.begin(), last, found_.end(), before);
    bar_ = last->one.score;
    found_.resize(most_);
  }

  std::vector<Entry> found_;
  std::size_t most_;
  std::size_t next_ = 0;
  double bar_ = -std::numeric_limits<double>::infinity();
};
