// Which algorithm computes a convolution in a build with oneDNN.
#include <algorithm>

#include <dnnl.h>

#include "core/cpu/support/conv2d.h"

namespace mld::cpu {

bool has_onednn() { return true; }

static bool has_avx512() {
  return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core;
}

// Note [Which convolution runs]. Measured for the convolutions of ResNet-50 (224 px, batch 8),
// layout changes included. AVX-512, one thread, GFLOP/s forward / backward data / backward weight:
//
//                            nhwc              blocked             gemm
//   56 px 1x1    64 ->  256    92 /  95 /  68     73 /  62 /  62    100 /  95 /  88
//   14 px 1x1  1024 ->  256   108 / 108 / 109     92 /  93 / 103    103 / 113 / 107
//   28 px 3x3   128 ->  128   117 / 116 / 109    111 / 109 / 105
//   28 px 3x3/2 256 ->  256   113 / 110 /  83     86 / 101 /  85
//   14 px 1x1/2 1024 -> 2048   78 / 104 /  96     95 /  91 /  93
//
// AVX2, two threads, milliseconds (1.6 to 1.9 GFLOP each); the last row is batch 32:
//
//                             nhwc                 blocked              unfolded
//   56 px 3x3    64 ->   64   13.9 / 14.5 / 18.7   13.5 / 13.2 / 17.5   19.0 / 15.8 / 13.7
//   28 px 3x3   128 ->  128   13.9 / 13.2 / 16.7   13.0 / 13.0 / 15.7   14.5 / 13.0 / 15.8
//   14 px 3x3   256 ->  256   14.7 / 12.6 / 18.4   13.2 / 12.8 / 16.4   12.9 / 14.4 / 14.7
//    7 px 3x3   512 ->  512   17.6 / 16.9 / 22.8   14.5 / 13.3 / 20.1   14.0 / 12.9 / 13.3
//   28 px 3x3/2 256 ->  256   20.0 / 19.0 / 25.4   16.8 / 19.3 / 19.8   12.3 / 12.8 / 15.9
//   14 px 3x3/2 512 ->  512   18.1 / 19.5 / 30.4   13.7 / 14.9 / 16.9   12.0 / 11.8 / 12.2
//   28 px 1x1/2 512 -> 1024   12.3 / 14.3 / 19.8   12.8 / 13.6 / 13.6   11.0 / 11.1 / 11.4
//   56 px 1x1/2 256 ->  512   10.2 / 12.2 / 12.6   14.3 / 14.1 / 15.9   10.7 / 12.3 / 13.3
//    2 px 3x3   512 ->  512    9.8 /  9.4 / 16.7    8.5 /  6.0 / 23.4    4.7 /  6.8 /  4.3
//
// So a plain 1x1 is a matrix product. (The exception: on AVX2 oneDNN's transposed product runs at
// half speed on rows of 4 KiB, which alias in the cache, unless both sides are wide.) On AVX-512
// other kernels stay in NHWC; only strided weight gradients and wide strided layers gain from the
// blocked layout. On AVX2 the blocked layout is worth its reorders, and wide layers, wide weight
// gradients first of all, gain more from unfolding; a strided 1x1 and the first layer (few
// channels) have too little work per element for either. The rule depends on shapes and the
// instruction set only, so a run repeats bit for bit.
static ConvAlgorithm choose_avx512(ConvDirection direction, const ConvProblem& problem) {
  constexpr int64_t kWide = 512;
  const bool strided = problem.spec.stride > 1, pointwise = problem.w[1] * problem.w[2] == 1;
  const bool wide_strided = strided && std::min(problem.x[3], problem.y[3]) >= kWide;
  const bool weight = direction == ConvDirection::backward_weight;
  const bool gains = direction == ConvDirection::forward ? wide_strided
                                                         : weight && strided && !pointwise;
  return gains ? ConvAlgorithm::blocked : ConvAlgorithm::nhwc;
}

static ConvAlgorithm choose_avx2(ConvDirection direction, const ConvProblem& problem) {
  const bool strided = problem.spec.stride > 1, pointwise = problem.w[1] * problem.w[2] == 1;
  const int64_t narrow = std::min(problem.x[3], problem.y[3]);
  if (pointwise) {
    const bool unfold = narrow >= 512 && direction != ConvDirection::forward;
    return unfold && problem.spec.groups == 1 ? ConvAlgorithm::unfolded : ConvAlgorithm::nhwc;
  }
  const bool weight = direction == ConvDirection::backward_weight;
  const int64_t gains_from = strided ? 128 : weight ? 256 : 512;
  const bool unfold = narrow >= gains_from && std::max(problem.x[3], problem.y[3]) >= 256;
  return unfold && problem.spec.groups == 1 ? ConvAlgorithm::unfolded : ConvAlgorithm::blocked;
}

ConvAlgorithm choose_algorithm(ConvDirection direction, const ConvProblem& problem) {
  if (problem.is_depthwise()) {
    return ConvAlgorithm::depthwise;
  }
  static const bool avx512 = has_avx512();
  const int64_t C = problem.x[3], O = problem.y[3];
  if (problem.is_matrix_product()) {
    const bool weight = direction == ConvDirection::backward_weight;
    const bool aliases = std::max(C, O) % 1024 == 0 && std::min(C, O) <= 256;
    return weight && aliases && !avx512 ? ConvAlgorithm::blocked : ConvAlgorithm::gemm;
  }
  constexpr int64_t kFewChannels = 8;
  const bool pointwise = problem.w[1] * problem.w[2] == 1;
  if (!avx512 && pointwise && problem.spec.groups == 1 && std::min(C, O) < kFewChannels) {
    // oneDNN 2.6 reads past so few channels here: its weight gradient is wrong, or never ends.
    return ConvAlgorithm::unfolded;
  }
  if (C < kFewChannels) {
    return ConvAlgorithm::nhwc;
  }
  return avx512 ? choose_avx512(direction, problem) : choose_avx2(direction, problem);
}

}  // namespace mld::cpu
