// attention's gradients on the tensor cores, see Note [Tiles of attention].
#include "core/kernels.h"
#include "cuda/attention_tiles.cuh"

namespace mld::cuda {
namespace {

// The tensors of the backward pass.
struct BackwardInputs {
  const bf16 *dy, *q, *k, *v;
  const float *lse, *delta;
};

// The contribution of query i and key l, from their two products; p is the probability, f its
// dropout factor: weight = p f, the factor of v, and slope = p (f dy.v - delta) scale, the score's
// gradient.
__device__ inline void pair_gradient(const AttentionSizes& s, const KeepMask& keep, int64_t element,
                                     bool live, float lse, float delta, float& score, float& dp) {
  if (!live) {
    score = dp = 0;
    return;
  }
  const float p = expf(score * s.scale - lse);
  const float f = keep.factor(static_cast<uint64_t>(element));
  dp = p * (f * dp - delta) * s.scale;
  score = p * f;
}

// One block: 64 queries; dq sums slope times k over tiles of keys.
template <int H>
__global__ void __launch_bounds__(kThreads)
    query_gradient_kernel(BackwardInputs in, AttentionSizes s, KeepMask keep, bf16* dq) {
  DYN_SHARED(bf16, queries);  // queries, gradients [kRows, H + kPad]; keys, values [kTile, ...]
  bf16* gradients = queries + kRows * (H + kPad);
  bf16 *keys = gradients + kRows * (H + kPad), *values = keys + kTile * (H + kPad);
  const Place at(s);
  const int lane = threadIdx.x % 32, row = threadIdx.x / 32 * 16, i0 = at.row0 + row + lane / 4;
  const int live = s.Q - at.row0;
  load_tile<H>(in.q + at.n * s.q_stride + at.row0 * s.D + at.head, s.D, kRows, live, queries);
  load_tile<H>(in.dy + (at.n * s.Q + at.row0) * s.D + at.head, s.D, kRows, live, gradients);
  float lse[2] = {}, delta[2] = {}, out[H / 8][4] = {};
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    if (i0 + 8 * half < s.Q) {
      lse[half] = in.lse[at.statistics(s) + i0 + 8 * half];
      delta[half] = in.delta[at.statistics(s) + i0 + 8 * half];
    }
  }
  const int last = s.causal ? min(s.L, at.row0 + kRows) : s.L;
  for (int l0 = 0; l0 < last; l0 += kTile) {
    __syncthreads();
    load_tile<H>(in.k + (at.n * s.L + l0) * s.D + at.head, s.D, kTile, s.L - l0, keys);
    load_tile<H>(in.v + (at.n * s.L + l0) * s.D + at.head, s.D, kTile, s.L - l0, values);
    __syncthreads();
    float p[kTile / 8][4], dp[kTile / 8][4];
    score_tile<H>(queries, row, keys, p);
    score_tile<H>(gradients, row, values, dp);
#pragma unroll
    for (int j = 0; j < kTile / 8; ++j) {
#pragma unroll
      for (int c = 0; c < 4; ++c) {
        const int half = c / 2, i = i0 + 8 * half, l = l0 + 8 * j + lane % 4 * 2 + c % 2;
        pair_gradient(s, keep, (at.statistics(s) + i) * s.L + l, i < s.Q && l < s.visible(i),
                      lse[half], delta[half], p[j][c], dp[j][c]);
      }
    }
    add_product<H>(dp, keys, out);
  }
  const float one[2] = {1, 1};
  store_rows<H>(out, one, row, live, s.D, dq + (at.n * s.Q + at.row0) * s.D + at.head);
}

// One block: 64 keys; dk sums slope times q, dv weight times dy, over tiles of queries.
template <int H>
__global__ void __launch_bounds__(kThreads)
    key_gradient_kernel(BackwardInputs in, AttentionSizes s, KeepMask keep, bf16* dk, bf16* dv) {
  DYN_SHARED(bf16, keys);  // keys, values [kRows, H + kPad]; queries, gradients [kTile, ...]
  SHARED(float[2][kTile], statistics);  // lse and delta of the tile's queries
  bf16* values = keys + kRows * (H + kPad);
  bf16 *queries = values + kRows * (H + kPad), *gradients = queries + kTile * (H + kPad);
  const Place at(s);
  const int lane = threadIdx.x % 32, row = threadIdx.x / 32 * 16, l0 = at.row0 + row + lane / 4;
  const int live = s.L - at.row0;
  load_tile<H>(in.k + (at.n * s.L + at.row0) * s.D + at.head, s.D, kRows, live, keys);
  load_tile<H>(in.v + (at.n * s.L + at.row0) * s.D + at.head, s.D, kRows, live, values);
  float sum_k[H / 8][4] = {}, sum_v[H / 8][4] = {};
  const int first = s.causal ? at.row0 / kTile * kTile : 0;  // earlier queries see none of these
  for (int i0 = first; i0 < s.Q; i0 += kTile) {
    __syncthreads();
    load_tile<H>(in.q + at.n * s.q_stride + i0 * s.D + at.head, s.D, kTile, s.Q - i0, queries);
    load_tile<H>(in.dy + (at.n * s.Q + i0) * s.D + at.head, s.D, kTile, s.Q - i0, gradients);
    if (threadIdx.x < kTile) {
      const int i = min(i0 + static_cast<int>(threadIdx.x), s.Q - 1);
      statistics[0][threadIdx.x] = in.lse[at.statistics(s) + i];
      statistics[1][threadIdx.x] = in.delta[at.statistics(s) + i];
    }
    __syncthreads();
    float p[kTile / 8][4], dp[kTile / 8][4];  // transposed: rows are keys, columns queries
    score_tile<H>(keys, row, queries, p);
    score_tile<H>(values, row, gradients, dp);
#pragma unroll
    for (int j = 0; j < kTile / 8; ++j) {
#pragma unroll
      for (int c = 0; c < 4; ++c) {
        const int l = l0 + 8 * (c / 2), column = 8 * j + lane % 4 * 2 + c % 2, i = i0 + column;
        pair_gradient(s, keep, (at.statistics(s) + i) * s.L + l, i < s.Q && l < s.visible(i),
                      statistics[0][column], statistics[1][column], p[j][c], dp[j][c]);
      }
    }
    add_product<H>(p, gradients, sum_v);
    add_product<H>(dp, queries, sum_k);
  }
  const float one[2] = {1, 1};
  const int64_t to = (at.n * s.L + at.row0) * s.D + at.head;
  store_rows<H>(sum_k, one, row, live, s.D, dk + to);
  store_rows<H>(sum_v, one, row, live, s.D, dv + to);
}

}  // namespace

void attention_mma_backward(const Tensor& dy, const Tensor& q, const Tensor& k, const Tensor& v,
                            const Tensor& lse, const Tensor& delta, const AttentionSpec& spec,
                            Tensor& dq, Tensor& dk, Tensor& dv) {
  const AttentionSizes s(q, k, spec);
  const KeepMask keep(spec.dropout);
  const BackwardInputs in{dy.data<bf16>(), q.data<bf16>(), k.data<bf16>(), v.data<bf16>(),
                          lse.data<float>(), delta.data<float>()};
  with_head(s.head, [&]<int H>() {
    launch(query_gradient_kernel<H>, grid_of(s, s.Q), kThreads, shared_bytes<H>(2), in, s, keep,
           dq.data<bf16>());
    launch(key_gradient_kernel<H>, grid_of(s, s.L), kThreads, shared_bytes<H>(2), in, s, keep,
           dk.data<bf16>(), dv.data<bf16>());
  });
}

}  // namespace mld::cuda
