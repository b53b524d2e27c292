// attention on the tensor cores: bfloat16, float32 sums, heads of a multiple of 16 columns up to
// 128. See Note [Tiles of attention] in cuda/attention_tiles.cuh.
#include "core/kernels.h"
#include "cuda/attention_tiles.cuh"

namespace mld::cuda {
namespace {

// One block: 64 queries, online softmax over tiles of keys.
template <int H>
__global__ void __launch_bounds__(kThreads)
    forward_kernel(const bf16* q, const bf16* k, const bf16* v, AttentionSizes s, KeepMask keep,
                   float* lse, bf16* y) {
  DYN_SHARED(bf16, queries);  // [kRows, H + kPad], then keys and values [kTile, H + kPad]
  bf16 *keys = queries + kRows * (H + kPad), *values = keys + kTile * (H + kPad);
  const Place at(s);
  const int lane = threadIdx.x % 32, row = threadIdx.x / 32 * 16;
  const int i0 = at.row0 + row + lane / 4;  // the lane's two queries: i0 and i0 + 8
  load_tile<H>(q + at.n * s.q_stride + at.row0 * s.D + at.head, s.D, kRows, s.Q - at.row0, queries);
  float out[H / 8][4] = {}, top[2] = {-INFINITY, -INFINITY}, sum[2] = {};
  const int last = s.causal ? min(s.L, at.row0 + kRows) : s.L;
  for (int l0 = 0; l0 < last; l0 += kTile) {
    __syncthreads();  // every warp is done with the previous tile
    load_tile<H>(k + (at.n * s.L + l0) * s.D + at.head, s.D, kTile, s.L - l0, keys);
    load_tile<H>(v + (at.n * s.L + l0) * s.D + at.head, s.D, kTile, s.L - l0, values);
    __syncthreads();
    float p[kTile / 8][4];
    score_tile<H>(queries, row, keys, p);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int i = i0 + 8 * half, seen = s.visible(i);
      float largest = top[half];
#pragma unroll
      for (int j = 0; j < kTile / 8; ++j) {
#pragma unroll
        for (int c = 0; c < 2; ++c) {
          const int l = l0 + 8 * j + lane % 4 * 2 + c;
          float& score = p[j][2 * half + c];
          score = l < seen ? score * s.scale : -INFINITY;
          largest = fmaxf(largest, score);
        }
      }
      largest = quad_max(largest);
      const float shift = largest == -INFINITY ? 0.0f : largest;
      const float correction = expf(top[half] - shift);  // 0 in the first tile
      top[half] = largest;
      float tile_sum = 0;
#pragma unroll
      for (int j = 0; j < kTile / 8; ++j) {
#pragma unroll
        for (int c = 0; c < 2; ++c) {
          float& score = p[j][2 * half + c];
          score = expf(score - shift);
          tile_sum += score;
          const int l = l0 + 8 * j + lane % 4 * 2 + c;
          if (keep.active && i < s.Q && l < s.L) {
            score *= keep.factor(static_cast<uint64_t>((at.statistics(s) + i) * s.L + l));
          }
        }
      }
      sum[half] = sum[half] * correction + quad_sum(tile_sum);
#pragma unroll
      for (int c = 0; c < H / 8; ++c) {
        out[c][2 * half] *= correction;
        out[c][2 * half + 1] *= correction;
      }
    }
    add_product<H>(p, values, out);
  }
  const float factor[2] = {1.0f / sum[0], 1.0f / sum[1]};
  store_rows<H>(out, factor, row, s.Q - at.row0, s.D, y + (at.n * s.Q + at.row0) * s.D + at.head);
  if (lane % 4 == 0) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      if (i0 + 8 * half < s.Q) {
        lse[at.statistics(s) + i0 + 8 * half] = top[half] + logf(sum[half]);
      }
    }
  }
}

}  // namespace

bool attention_mma_fits(const Tensor& q, const Tensor& k, const Tensor& v,
                        const AttentionSpec& spec) {
  constexpr int64_t kMostImages = 65535;
  const int64_t D = k.shape()[2], head = D / spec.heads;
  const auto aligned = [](const Tensor& x) {
    return reinterpret_cast<uintptr_t>(x.raw()) % 16 == 0;
  };
  return q.dtype() == DType::bf16 && head % 16 == 0 && head <= 128 && k.shape()[0] <= kMostImages &&
         D % 8 == 0 && aligned(q) && aligned(k) && aligned(v) &&
         has_bf16_tensor_cores();
}

void attention_mma_forward(const Tensor& q, const Tensor& k, const Tensor& v,
                           const AttentionSpec& spec, Tensor& lse, Tensor& y) {
  const AttentionSizes s(q, k, spec);
  with_head(s.head, [&]<int H>() {
    launch(forward_kernel<H>, grid_of(s, s.Q), kThreads, shared_bytes<H>(1), q.data<bf16>(),
           k.data<bf16>(), v.data<bf16>(), s, KeepMask(spec.dropout), lse.data<float>(),
           y.data<bf16>());
  });
}

}  // namespace mld::cuda
