// group_linear: y[n, k] = h[n, k / g, :] . w[k / g, :, k % g] + bias[k] (ML-Decoder, eq. 6).
//
// A training step does 6 N flops per weight and moves each weight from memory once per pass, so it
// is bound by memory: forward streams w once, backward reads w and writes dw in the same pass.
#include "core/cpu/support/simd.h"
#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {
namespace {

constexpr int kDepth = 8;          // rows of w per pass over the sums
constexpr int64_t kStretch = 512;  // columns per forward task: the sums of 8 pictures stay in L1

struct Sizes {
  int64_t N, G, D, K;
  int64_t g;  // classes per group
  int64_t padded;  // g rounded up to whole registers
  int64_t depth;   // D rounded up to whole blocks of rows

  Sizes(const Tensor& h, const Tensor& w, int64_t classes)
      : N(h.shape()[0]), G(h.shape()[1]), D(h.shape()[2]), K(classes), g(w.shape()[2]),
        padded((g + kLanes - 1) / kLanes * kLanes), depth((D + kDepth - 1) / kDepth * kDepth) {}
  // Columns of a group that are classes; the rest is surplus.
  int64_t live(int64_t group) const { return std::clamp<int64_t>(K - group * g, 0, g); }
};

// Where a tile ends at an edge of w; for tiles inside w, known at compile time.
//   part: lanes of the last register that are columns; rows: rows of the tile that exist
struct Edge {
  int rows, part;
};

// R rows of one register of columns; rows beyond the edge are zero.
//   w at the register's first element, row stride g
template <bool kInside, int R, class T>
void load_rows(const T* w, int64_t g, const Edge& edge, Vec (&r)[R]) {
#pragma GCC unroll 16
  for (int d = 0; d < R; ++d) {
    if (kInside) {
      r[d] = load(w + d * g);
    } else {
      r[d] = d < edge.rows ? load_part(w + d * g, edge.part) : Vec{};
    }
  }
}

// sums[n, :] += h[n, :] w for kDepth rows of w and V registers of columns.
//   h f32 [N, depth]; w [kDepth, g] at the first column; sums f32 [N, kStretch]
template <bool kInside, int V, class T>
void add_products(const Sizes& s, const float* h, const T* w, const Edge& edge, float* sums) {
  Vec column[V][kDepth];
  for (int v = 0; v < V; ++v) {
    load_rows<kInside>(w + v * kLanes, s.g, edge, column[v]);
  }
  for (int64_t n = 0; n < s.N; ++n) {
    Vec sum[V];
    for (int v = 0; v < V; ++v) {
      sum[v] = load(sums + n * kStretch + v * kLanes);
    }
#pragma GCC unroll 8
    for (int d = 0; d < kDepth; ++d) {
      for (int v = 0; v < V; ++v) {
        sum[v] += h[n * s.depth + d] * column[v][d];
      }
    }
    for (int v = 0; v < V; ++v) {
      store(sum[v], sums + n * kStretch + v * kLanes);
    }
  }
}

// Columns [c0, c0 + width) of a group for all pictures; w is read in order, a few rows at a time.
//   h f32 [N, depth] and w [D, g], the group's; bias [K] or null; sums f32 [N, kStretch] scratch
template <class T>
void forward_columns(const Sizes& s, int64_t group, int64_t c0, int64_t width, const float* h,
                     const T* w, const float* bias, float* sums, T* y) {
  std::fill(sums, sums + s.N * kStretch, 0.0f);
  for (int64_t d = 0; d < s.D; d += kDepth) {
    Edge edge{static_cast<int>(std::min<int64_t>(kDepth, s.D - d)), kLanes};
    const T* block = w + d * s.g + c0;
    int64_t c = 0;
    for (; edge.rows == kDepth && c + 2 * kLanes <= width; c += 2 * kLanes) {
      for (int r = kDepth; r < 2 * kDepth; ++r) {  // the next rows: often other pages, which the
        __builtin_prefetch(block + r * s.g + c);   // hardware's prefetcher does not look into
        __builtin_prefetch(block + r * s.g + c + kLanes);
      }
      add_products<true, 2>(s, h + d, block + c, edge, sums + c);
    }
    for (; c < width; c += kLanes) {
      edge.part = static_cast<int>(std::min<int64_t>(kLanes, width - c));
      add_products<false, 1>(s, h + d, block + c, edge, sums + c);
    }
  }
  const int64_t first = group * s.g + c0;
  for (int64_t n = 0; n < s.N; ++n) {
    for (int64_t c = 0; c < width; ++c) {
      const float b = bias != nullptr ? bias[first + c] : 0.0f;
      store(sums[n * kStretch + c] + b, y[n * s.K + first + c]);
    }
  }
}

// A group's rows of h, widened and side by side.   h [N, G, D] -> rows f32 [N, depth]
template <class T>
void gather_group(const Sizes& s, const T* h, int64_t group, float* rows) {
  for (int64_t n = 0; n < s.N; ++n) {
    const T* row = h + (n * s.G + group) * s.D;
    for (int64_t d = 0; d < s.D; ++d) {
      rows[n * s.depth + d] = static_cast<float>(row[d]);
    }
    std::fill(rows + n * s.depth + s.D, rows + (n + 1) * s.depth, 0.0f);
  }
}

// dy by groups, the surplus and the padding zero.   dy [N, K] -> grouped f32 [G, N, padded]
template <class T>
void group_gradients(const Sizes& s, const T* dy, float* grouped) {
  parallel_for(s.G, row_grain(s.N * s.padded), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * s.N; i < end * s.N; ++i) {
      const int64_t group = i / s.N, n = i % s.N, live = s.live(group);
      const T* from = dy + n * s.K + group * s.g;
      float* to = grouped + i * s.padded;
      for (int64_t c = 0; c < live; ++c) {
        to[c] = static_cast<float>(from[c]);
      }
      std::fill(to + live, to + s.padded, 0.0f);
    }
  });
}

// kLanes rows of dw, one register of columns: dw[d] = sum_n h[n, d] dy[n].
//   h f32 [N, kLanes]; dy [N, padded] and dw at the register's first column
template <bool kInside, class T>
void weight_gradient(const Sizes& s, const float* h, const float* dy, const Edge& edge, T* dw) {
  Vec sum[kLanes] = {};
  for (int64_t n = 0; n < s.N; ++n) {
    const Vec column = load(dy + n * s.padded);
#pragma GCC unroll 16
    for (int d = 0; d < kLanes; ++d) {
      sum[d] += h[n * kLanes + d] * column;
    }
  }
#pragma GCC unroll 16
  for (int d = 0; d < kLanes; ++d) {
    if (kInside) {
      store(sum[d], dw + d * s.g);
    } else if (d < edge.rows) {
      store_part(sum[d], dw + d * s.g, edge.part);
    }
  }
}

// dh[n] += sum_c w[c] dy[n, c], one register of columns; w[c] holds kLanes rows d.
//   dh f32 [N, kLanes]; dy [N, padded] at the register's first column
inline void input_gradient(const Sizes& s, const Vec (&w)[kLanes], const float* dy, float* dh) {
  int64_t n = 0;
  for (; n + 4 <= s.N; n += 4) {  // four sums hide the latency of the additions
    Vec sum[4];
    for (int r = 0; r < 4; ++r) {
      sum[r] = load(dh + (n + r) * kLanes);
    }
#pragma GCC unroll 16
    for (int c = 0; c < kLanes; ++c) {
      for (int r = 0; r < 4; ++r) {
        sum[r] += dy[(n + r) * s.padded + c] * w[c];
      }
    }
    for (int r = 0; r < 4; ++r) {
      store(sum[r], dh + (n + r) * kLanes);
    }
  }
  for (; n < s.N; ++n) {
    Vec sum = load(dh + n * kLanes);
#pragma GCC unroll 16
    for (int c = 0; c < kLanes; ++c) {
      sum += dy[n * s.padded + c] * w[c];
    }
    store(sum, dh + n * kLanes);
  }
}

// One square tile of w: its part of dw and what it adds to dh.
//   dy f32 [N, padded], w, dw at the tile's corner; h, dh f32 [N, kLanes]
template <bool kInside, class T>
void backward_tile(const Sizes& s, const Edge& edge, const float* dy, const float* h, const T* w,
                   float* dh, T* dw) {
  Vec column[kLanes];
  load_rows<kInside>(w, s.g, edge, column);
  transpose(column);
  input_gradient(s, column, dy, dh);
  weight_gradient<kInside>(s, h, dy, edge, dw);
}

// Rows [d0, d0 + kLanes) of one group: dw of these rows, and these columns of dh.
//   dy f32 [N, padded], the group's; buffer f32 [2, N, kLanes]; the tensors in full
template <class T>
void backward_rows(const Sizes& s, int64_t group, int64_t d0, const float* dy, const T* h,
                   const T* w, float* buffer, T* dh, T* dw) {
  Edge edge{static_cast<int>(std::min<int64_t>(kLanes, s.D - d0)), kLanes};
  float *h_block = buffer, *dh_block = buffer + s.N * kLanes;
  const int64_t corner = group * s.D + d0;
  for (int64_t n = 0; n < s.N; ++n) {
    store(load_part(h + n * s.G * s.D + corner, edge.rows), h_block + n * kLanes);
    store(Vec{}, dh_block + n * kLanes);
  }
  for (int64_t c = 0; c < s.g; c += kLanes) {
    edge.part = static_cast<int>(std::min<int64_t>(kLanes, s.g - c));
    const auto tile = edge.rows == kLanes && edge.part == kLanes ? backward_tile<true, T>
                                                                 : backward_tile<false, T>;
    // The next kLanes rows are the next kLanes * g elements, in rows too short for the hardware's
    // prefetcher to see.
    for (int i = 0; i < kLanes; ++i) {
      __builtin_prefetch(w + corner * s.g + kLanes * (s.g + c + i));
      __builtin_prefetch(dw + corner * s.g + kLanes * (s.g + c + i), 1);
    }
    tile(s, edge, dy + c, h_block, w + corner * s.g + c, dh_block, dw + corner * s.g + c);
  }
  for (int64_t n = 0; n < s.N; ++n) {
    store_part(load(dh_block + n * kLanes), dh + n * s.G * s.D + corner, edge.rows);
  }
}

}  // namespace

// h [N, G, D], w [G, D, g], bias f32 [K], y [N, K] with K <= G * g
void group_linear_forward(const Tensor& h, const Tensor& w, const Tensor& bias, Tensor& y) {
  const Sizes s(h, w, y.shape()[1]);
  const float* pb = bias.defined() ? bias.data<float>() : nullptr;
  const int64_t stretches = (s.g + kStretch - 1) / kStretch, floats = s.N * (s.depth + kStretch);
  Tensor buffers({compute_threads(), floats});
  dispatch(h.dtype(), [&]<class T>() {
    const T *ph = h.data<T>(), *pw = w.data<T>();
    T* py = y.data<T>();
    parallel_for(s.G * stretches, row_grain(s.N * s.D * 4), [&](int64_t begin, int64_t end) {
      float* rows = buffers.data<float>() + omp_get_thread_num() * floats;
      int64_t gathered = -1;
      for (int64_t i = begin; i < end; ++i) {
        const int64_t group = i / stretches, c0 = i % stretches * kStretch;
        const int64_t width = std::min(kStretch, s.live(group) - c0);
        if (width <= 0) {
          continue;
        }
        if (group != gathered) {
          gather_group(s, ph, group, rows);
          gathered = group;
        }
        forward_columns(s, group, c0, width, rows, pw + group * s.D * s.g, pb,
                        rows + s.N * s.depth, py);
      }
    });
  });
}

// dh = dy w^T, dw = h^T dy per group.   dy [N, K]; h, dh [N, G, D]; w, dw [G, D, g]
void group_linear_backward(const Tensor& dy, const Tensor& h, const Tensor& w, Tensor& dh,
                           Tensor& dw) {
  const Sizes s(h, w, dy.shape()[1]);
  const int64_t blocks = (s.D + kLanes - 1) / kLanes, floats = 2 * s.N * kLanes;
  Tensor grouped({s.G, s.N, s.padded}), buffers({compute_threads(), floats});
  dispatch(h.dtype(), [&]<class T>() {
    float* gradients = grouped.data<float>();
    group_gradients(s, dy.data<T>(), gradients);
    const T *ph = h.data<T>(), *pw = w.data<T>();
    T *pdh = dh.data<T>(), *pdw = dw.data<T>();
    parallel_for(s.G * blocks, row_grain(s.N * s.padded * 8), [&](int64_t begin, int64_t end) {
      float* buffer = buffers.data<float>() + omp_get_thread_num() * floats;
      for (int64_t i = begin; i < end; ++i) {
        const int64_t group = i / blocks;
        backward_rows(s, group, i % blocks * kLanes, gradients + group * s.N * s.padded, ph, pw,
                      buffer, pdh, pdw);
      }
    });
  });
}

}  // namespace mld::cpu
