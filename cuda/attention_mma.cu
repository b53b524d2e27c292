// attention on the tensor cores: bfloat16, float32 sums, heads of a multiple of 16 columns up to
// 128.
//
// Note [Tiles of attention]. A block holds 64 rows of one head of one picture (queries forward and
// for dq, keys for dk and dv), 16 rows per warp, and walks over the other side in tiles of 32 rows.
// A score tile S = A B^T stays in a warp's registers; once turned into probabilities it is already,
// fragment by fragment, the left operand of the next product, so it never goes through memory. (The
// scheme of FlashAttention-2, arXiv 2307.08691, at the sizes of a decoder with few queries.)
#include "core/kernels.h"
#include "cuda/attention.cuh"
#include "cuda/reduce.cuh"

namespace mld::cuda {
namespace {

constexpr int kWarps = 4, kThreads = 32 * kWarps;
constexpr int kRows = 16 * kWarps, kTile = 32;
constexpr int kPad = 8;  // bfloat16 after each row: keeps ldmatrix's eight rows in different banks

// `rows` rows of a head, `stride` elements apart, into shared memory [rows, H + kPad]; rows from
// `live` on become zero.
template <int H>
__device__ inline void load_tile(const bf16* from, int64_t stride, int rows, int live, bf16* to) {
  constexpr int kPieces = H / 8;  // 16 bytes each
  for (int i = threadIdx.x; i < rows * kPieces; i += kThreads) {
    const int r = i / kPieces, c = i % kPieces * 8;
    uint4 piece = make_uint4(0, 0, 0, 0);
    if (r < live) {
      piece = *reinterpret_cast<const uint4*>(from + r * stride + c);
    }
    *reinterpret_cast<uint4*>(to + r * (H + kPad) + c) = piece;
  }
}

// s[j] = rows [row, row + 16) of a times rows [8j, 8j + 8) of b, transposed: a score tile.
//   a, b in shared memory, rows of H + kPad
template <int H>
__device__ inline void score_tile(const bf16* a, int row, const bf16* b,
                                  float (&s)[kTile / 8][4]) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int j = 0; j < kTile / 8; ++j) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      s[j][i] = 0;
    }
  }
#pragma unroll
  for (int k = 0; k < H; k += 16) {
    uint32_t left[4];
    ldmatrix_x4(left, a + (row + lane % 16) * (H + kPad) + k + lane / 16 * 8);
#pragma unroll
    for (int j = 0; j < kTile / 8; ++j) {
      uint32_t right[2];
      ldmatrix_x2(right, b + (8 * j + lane % 8) * (H + kPad) + k + lane / 8 % 2 * 8);
      mma_bf16(s[j], left, right);
    }
  }
}

// sum[c] += p [16, kTile] times columns [8c, 8c + 8) of b [kTile, H] in shared memory.
template <int H>
__device__ inline void add_product(const float (&p)[kTile / 8][4], const bf16* b,
                                   float (&sum)[H / 8][4]) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int k = 0; k < kTile / 16; ++k) {
    const uint32_t left[4] = {pack_bf16(p[2 * k][0], p[2 * k][1]),
                              pack_bf16(p[2 * k][2], p[2 * k][3]),
                              pack_bf16(p[2 * k + 1][0], p[2 * k + 1][1]),
                              pack_bf16(p[2 * k + 1][2], p[2 * k + 1][3])};
#pragma unroll
    for (int c = 0; c < H / 8; ++c) {
      uint32_t right[2];
      ldmatrix_x2_trans(right, b + (16 * k + lane % 16) * (H + kPad) + 8 * c);
      mma_bf16(sum[c], left, right);
    }
  }
}

// Rows [row, row + 16) of a result, times factor[0] (rows lane / 4) and factor[1] (8 rows on).
template <int H>
__device__ inline void store_rows(const float (&sum)[H / 8][4], const float (&factor)[2], int row,
                                  int live, int64_t stride, bf16* to) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int r = row + lane / 4 + 8 * half;
    if (r < live) {
#pragma unroll
      for (int c = 0; c < H / 8; ++c) {
        const uint32_t pair = pack_bf16(sum[c][2 * half] * factor[half],
                                        sum[c][2 * half + 1] * factor[half]);
        *reinterpret_cast<uint32_t*>(to + r * stride + 8 * c + lane % 4 * 2) = pair;
      }
    }
  }
}

// The largest, or the sum, over the four lanes that share a row.
__device__ inline float quad_max(float v) {
  v = fmaxf(v, __shfl_xor_sync(kAllLanes, v, 1));
  return fmaxf(v, __shfl_xor_sync(kAllLanes, v, 2));
}
__device__ inline float quad_sum(float v) {
  v += __shfl_xor_sync(kAllLanes, v, 1);
  return v + __shfl_xor_sync(kAllLanes, v, 2);
}

// A block's head, picture and first row.
struct Place {
  int64_t n, head;  // head: the first of its columns
  int e, row0;

  __device__ explicit Place(const AttentionSizes& s)
      : n(blockIdx.z), head(blockIdx.y * int64_t{s.head}), e(static_cast<int>(blockIdx.y)),
        row0(static_cast<int>(blockIdx.x) * kRows) {}
  __device__ int64_t statistics(const AttentionSizes& s) const { return (n * s.E + e) * s.Q; }
};

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

template <int H>
constexpr size_t shared_bytes(int long_tiles) {  // of kRows rows, plus two of kTile
  return sizeof(bf16) * (H + kPad) * static_cast<size_t>(long_tiles * kRows + 2 * kTile);
}

dim3 grid_of(const AttentionSizes& s, int positions) {
  return dim3(static_cast<unsigned>(ceil_div(positions, kRows)), static_cast<unsigned>(s.E),
              static_cast<unsigned>(s.N));
}

// Calls body.operator()<H>() for the head's width.
template <class Body>
void with_head(int head, Body&& body) {
  switch (head) {
    case 16: return body.template operator()<16>();
    case 32: return body.template operator()<32>();
    case 48: return body.template operator()<48>();
    case 64: return body.template operator()<64>();
    case 80: return body.template operator()<80>();
    case 96: return body.template operator()<96>();
    case 112: return body.template operator()<112>();
    default: return body.template operator()<128>();
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
