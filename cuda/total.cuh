// The sum over many elements, in two launches and a fixed order: losses and norms.
#pragma once

#include "cuda/reduce.cuh"
#include "cuda/values.cuh"

namespace mld::cuda {

inline constexpr int kTotalThreads = 256;

// One part per block, grid-stride.   part [blocks]
template <class Term>
__global__ void __launch_bounds__(kTotalThreads)
    parts_kernel(Term term, int64_t n, float* part) {
  const int64_t step = gridDim.x * int64_t{kTotalThreads};
  float sum = 0;
  for (int64_t i = blockIdx.x * int64_t{kTotalThreads} + threadIdx.x; i < n; i += step) {
    sum += term(i);
  }
  sum = block_sum<kTotalThreads>(sum);
  if (threadIdx.x == 0) {
    part[blockIdx.x] = sum;
  }
}

// One block: total = finish(the sum of the parts).   part [parts], total [1]
template <class Finish>
__global__ void __launch_bounds__(kTotalThreads)
    total_kernel(const float* part, int parts, Finish finish, float* total) {
  float sum = 0;
  for (int i = threadIdx.x; i < parts; i += kTotalThreads) {
    sum += part[i];
  }
  sum = block_sum<kTotalThreads>(sum);
  if (threadIdx.x == 0) {
    *total = finish(sum);
  }
}

struct Times {
  float factor = 1;
  __device__ float operator()(float sum) const { return sum * factor; }
};

// total[0] = finish(sum over i < n of term(i)).   term: a functor (int64_t) -> float
template <class Term, class Finish = Times>
void sum_to(const Term& term, int64_t n, Tensor& total, const Finish& finish = {}) {
  const unsigned blocks = blocks_for(n, kTotalThreads);
  const Tensor parts({blocks}, DType::f32, total.device());
  launch(parts_kernel<Term>, blocks, kTotalThreads, 0, term, n, parts.data<float>());
  launch(total_kernel<Finish>, 1, kTotalThreads, 0, parts.data<float>(),
         static_cast<int>(blocks), finish, total.data<float>());
}

}  // namespace mld::cuda
