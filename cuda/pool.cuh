// Pooling windows along one axis, clipped at the border; and the grid the pooling kernels share.
#pragma once

#include "core/specs.h"
#include "cuda/values.cuh"

namespace mld::cuda {

inline constexpr int kPoolThreads = 256;

struct Window {
  int begin, end;
  __device__ int size() const { return end - begin; }
};

// The inputs, of `in`, that output o sees.
__device__ inline Window inputs_of(int o, int in, int kernel, int stride, int pad) {
  const int start = o * stride - pad;
  return {max(0, start), min(in, start + kernel)};
}

// The outputs, of `out`, that see input i.
__device__ inline Window outputs_of(int i, int out, int kernel, int stride, int pad) {
  const int reach = i + pad;  // from the first window's start
  const int first = reach < kernel ? 0 : (reach - kernel) / stride + 1;
  return {first, min(out, reach / stride + 1)};
}

// Sizes and window, as the kernels take them.
struct PoolSizes {
  int H, W, OH, OW, kernel, stride, pad;
  int64_t C;

  PoolSizes(const Shape& in, const Shape& out, const PoolSpec& spec)
      : H(static_cast<int>(in[1])), W(static_cast<int>(in[2])), OH(static_cast<int>(out[1])),
        OW(static_cast<int>(out[2])), kernel(spec.kernel), stride(spec.stride), pad(spec.pad),
        C(in[3]) {}
};

}  // namespace mld::cuda
