// This machine's peaks, measured in the run that quotes them: the denominators of the benchmarks.
#pragma once

#include <cstdint>

namespace mld::bench {

struct MachinePeaks {
  double gflops = 0;          // float32 fused multiply-adds, all compute threads, 2 flops each
  double copy_gbytes_s = 0;   // bytes read plus bytes written, large arrays, streaming stores
};

// Takes about a second; the best of several short trials.
const MachinePeaks& machine_peaks();

double seconds();  // steady clock

}  // namespace mld::bench
