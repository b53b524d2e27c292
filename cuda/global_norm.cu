// global_norm: the Euclidean norm over all tensors.
#include "core/kernels.h"
#include "cuda/many.cuh"
#include "cuda/total.cuh"

namespace mld::cuda {
namespace {

struct Slot {
  const float* x;
};

// One block a chunk: the sum of its squares.   part [blocks]
__global__ void __launch_bounds__(kManyThreads)
    squares_kernel(const __grid_constant__ Many<Slot> many, float* part) {
  const Chunk chunk(many);
  const float* x = many.slot[chunk.tensor].x;
  float sum = 0;
  for (int64_t i = chunk.begin + threadIdx.x; i < chunk.end; i += kManyThreads) {
    sum += x[i] * x[i];
  }
  sum = block_sum<kManyThreads>(sum);
  if (threadIdx.x == 0) {
    part[blockIdx.x] = sum;
  }
}

struct Root {
  __device__ float operator()(float sum) const { return sqrtf(sum); }
};

}  // namespace

void global_norm(const std::vector<Tensor>& tensors, Tensor& y) {
  int64_t chunks = 0;
  for (const Tensor& x : tensors) {
    chunks += ceil_div(x.numel(), kChunk);
  }
  const Tensor parts({std::max<int64_t>(1, chunks)}, DType::f32, y.device());
  int64_t done = 0;
  for_many<Slot>(
      tensors.size(), [&](size_t i) { return Slot{tensors[i].data<float>()}; },
      [&](size_t i) { return tensors[i].numel(); },
      [&](const Many<Slot>& many, unsigned blocks, size_t) {
        launch(squares_kernel, blocks, kManyThreads, 0, many, parts.data<float>() + done);
        done += blocks;
      });
  launch(total_kernel<Root>, 1, kTotalThreads, 0, parts.data<float>(), static_cast<int>(done),
         Root(), y.data<float>());
}

}  // namespace mld::cuda
