// Work that must not take more than a share of a run's time.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "train/run_log.h"

namespace mld {

// Work for people to look at, such as pictures after an epoch, that may be left out. All of it in a
// run has one share.
class TimeShare {
 public:
  explicit TimeShare(double share, std::function<double()> clock = monotonic_seconds)
      : share_(share), clock_(std::move(clock)) {}

  // Whether there is time for work after update `step`: at first, and once what was spent is at
  // most the share of the time since. Then for all that is done after the same update, so that the
  // first of two does not take the time of the second for ever.
  bool allows(int64_t step) {
    if (allowed_ != step && clock_() >= free_at_) {
      allowed_ = step;
    }
    return allowed_ == step;
  }
  // Does the work, and notes how long it takes, even if it throws.
  template <class Work>
  void spend(Work&& work) {
    struct Note {
      TimeShare& share;
      double began = share.clock_();
      ~Note() {
        const double ended = share.clock_();
        share.free_at_ = std::max(share.free_at_, ended) + (ended - began) / share.share_;
      }
    };
    const Note note{*this};
    std::forward<Work>(work)();
  }

 private:
  double share_;
  std::function<double()> clock_;
  double free_at_ = -1e300;          // when what was spent is at most the share
  std::optional<int64_t> allowed_;   // the update after which there was time last
};

}  // namespace mld
