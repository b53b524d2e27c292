// Compute threads: OpenMP's, which oneDNN uses too.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <exception>

namespace mld {

// The number of compute threads kernels use (OMP_NUM_THREADS, or set_threads).
inline int compute_threads() { return omp_get_max_threads(); }
inline void set_threads(int threads) { omp_set_num_threads(threads); }

// Calls body(begin, end) on disjoint ranges covering [0, n). Each thread gets one contiguous range,
// so results that depend on the split depend on the thread count only. Ranges smaller than `grain`
// are not worth a thread. An exception from a body is rethrown here once all threads are done.
template <class Body>
void parallel_for(int64_t n, int64_t grain, Body&& body) {
  const int64_t shares = (n + grain - 1) / std::max<int64_t>(grain, 1);
  const int64_t threads = std::min<int64_t>(compute_threads(), shares);
  if (threads <= 1 || omp_in_parallel()) {
    if (n > 0) {
      body(int64_t{0}, n);
    }
    return;
  }
  std::exception_ptr error;  // the first one; an exception must not leave the parallel region
#pragma omp parallel num_threads(static_cast<int>(threads))
  {
    const int64_t t = omp_get_thread_num(), count = omp_get_num_threads();
    const int64_t begin = n * t / count, end = n * (t + 1) / count;
    if (begin < end) {
      try {
        body(begin, end);
      } catch (...) {
#pragma omp critical(mld_parallel_for_error)
        error = error ? error : std::current_exception();
      }
    }
  }
  if (error) {
    std::rethrow_exception(error);
  }
}

}  // namespace mld
