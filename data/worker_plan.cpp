// How many threads load pictures: see Note [Workers] in data/loader.h.
#include <sched.h>

#include <algorithm>

#include "data/loader.h"

namespace mld {

int usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

WorkerPlan plan_workers(int workers, int compute_threads, int processors) {
  constexpr int kMost = 16;
  if (workers >= 0) {
    return {workers, false};
  }
  const int idle = processors - compute_threads;
  return idle > 0 ? WorkerPlan{std::min(idle, kMost), false} : WorkerPlan{0, compute_threads > 1};
}

}  // namespace mld
