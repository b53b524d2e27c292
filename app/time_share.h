// Work that must not take more than a share of a run's time.
#pragma once

#include <functional>
#include <utility>

#include "train/run_log.h"

namespace mld {

// Work that is repeated, such as looking at pictures after an epoch, and may be left out.
class TimeShare {
 public:
  explicit TimeShare(double share, std::function<double()> clock = monotonic_seconds)
      : share_(share), clock_(std::move(clock)) {}

  // Whether work as long as the last takes at most the share of the time since then. The first
  // time: yes, since how long it takes is not known.
  bool allows() const { return clock_() - ended_ >= seconds_ / share_; }
  // Does the work, and notes how long it takes.
  template <class Work>
  void spend(Work&& work) {
    const double began = clock_();
    std::forward<Work>(work)();
    ended_ = clock_();
    seconds_ = ended_ - began;
  }

 private:
  double share_;
  std::function<double()> clock_;
  double ended_ = 0, seconds_ = 0;
};

}  // namespace mld
