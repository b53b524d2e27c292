// Attention on the tensor cores: the pieces that its forward and backward kernels share.
//
// Note [Tiles of attention]. A block holds 64 rows of one head of one picture (queries forward and
// for dq, keys for dk and dv), 16 rows per warp, and walks over the other side in tiles of 32 rows.
// A score tile S = A B^T stays in a warp's registers; once turned into probabilities it is already,
// fragment by fragment, the left operand of the next product, so it never goes through memory. (The
// scheme of FlashAttention-2, arXiv 2307.08691, at the sizes of a decoder with few queries.)
#pragma once

#include "cuda/attention.cuh"
#include "cuda/reduce.cuh"

namespace mld::cuda {

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

template <int H>
constexpr size_t shared_bytes(int long_tiles) {  // of kRows rows, plus two of kTile
  return sizeof(bf16) * (H + kPad) * static_cast<size_t>(long_tiles * kRows + 2 * kTile);
}

inline dim3 grid_of(const AttentionSizes& s, int positions) {
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

}  // namespace mld::cuda
