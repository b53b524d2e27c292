// global_norm: the Euclidean norm over all tensors, summed in float64: the squares of large
// gradients leave float32's range long before the gradients do.
#include "core/kernels.h"
#include "cuda/many.cuh"

namespace mld::cuda {
namespace {

struct Slot {
  const float* x;
};

// One block per chunk: the sum of its squares.   part [blocks]
__global__ void __launch_bounds__(kManyThreads)
    squares_kernel(const __grid_constant__ Many<Slot> many, double* part) {
  const Chunk chunk(many);
  const float* x = many.slot[chunk.tensor].x;
  double sum = 0;
  for_chunk(chunk, all_aligned(x), [&]<int V>(int64_t i) {
    float values[V];
    load(x + i, values);
#pragma unroll
    for (int j = 0; j < V; ++j) {
      sum += double{values[j]} * double{values[j]};
    }
  });
  sum = block_sum<kManyThreads>(sum);
  if (threadIdx.x == 0) {
    part[blockIdx.x] = sum;
  }
}

// One block: y = the root of the sum of the parts.   part [parts], y [1]
__global__ void __launch_bounds__(kManyThreads)
    root_kernel(const double* part, int parts, float* y) {
  double sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < parts; i += kManyThreads) {
    sum += part[i];
  }
  sum = block_sum<kManyThreads>(sum);
  if (threadIdx.x == 0) {
    *y = static_cast<float>(sqrt(sum));
  }
}

}  // namespace

void global_norm(const std::vector<Tensor>& tensors, Tensor& y) {
  int64_t chunks = 0;
  for (const Tensor& x : tensors) {
    chunks += ceil_div(x.numel(), kChunk);
  }
  const Tensor memory({std::max<int64_t>(1, chunks)}, DType::i64, y.device());  // 8 bytes a part
  auto* parts = static_cast<double*>(memory.raw());
  int64_t done = 0;
  for_many<Slot>(
      tensors.size(), [&](size_t i) { return Slot{tensors[i].data<float>()}; },
      [&](size_t i) { return tensors[i].numel(); },
      [&](const Many<Slot>& many, unsigned blocks, size_t) {
        launch(squares_kernel, blocks, kManyThreads, 0, many, parts + done);
        done += blocks;
      });
  launch(root_kernel, 1, kManyThreads, 0, parts, static_cast<int>(done), y.data<float>());
}

}  // namespace mld::cuda
