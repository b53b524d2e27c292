// attention: per head, y = dropout(softmax(q k^T / sqrt(D/E))) v, never storing the probabilities.
//
// One task is one (picture, head). It walks the queries in blocks whose scores stay in cache; the
// matrix products run on the task's own thread. Backward recomputes the probabilities from lse.
#include <cmath>
#include <limits>

#include "core/cpu/support/fast_math.h"
#include "core/cpu/support/gemm.h"
#include "core/cpu/support/keep_mask.h"
#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {
namespace {

struct Sizes {
  int64_t N, Q, L, D, E, head;  // head = D / E columns
  int64_t block;                // queries per block
  bool shared_q;                // one set of queries for all pictures
  float scale;

  Sizes(const Tensor& q, const Tensor& k, const AttentionSpec& spec)
      : N(k.shape()[0]), Q(q.shape()[1]), L(k.shape()[1]), D(k.shape()[2]), E(spec.heads),
        head(D / E), shared_q(q.shape()[0] == 1) {
    constexpr int64_t kScores = 32768;  // 128 KiB of scores
    block = std::clamp<int64_t>(kScores / std::max<int64_t>(L, 1), 1, std::max<int64_t>(Q, 1));
    scale = 1.0f / std::sqrt(static_cast<float>(head));
  }
  // The first of a task's columns in [rows, D], at element offset.
  int64_t offset(int64_t image, int64_t rows, int64_t e) const {
    return image * rows * D + e * head;
  }
};

// A matrix read or written in place (float32) or through a float32 copy (bfloat16).
struct Matrix {
  float* data;
  int64_t stride;
  Matrix from_row(int64_t row) const { return {data + row * stride, stride}; }
};

Matrix view(const float* x, int64_t, int64_t, int64_t stride, float*) {
  return {const_cast<float*>(x), stride};
}

// x [rows, columns] at this stride, widened to buffer [rows, columns].
Matrix view(const bf16* x, int64_t rows, int64_t columns, int64_t stride, float* buffer) {
  for (int64_t r = 0; r < rows; ++r) {
#pragma omp simd
    for (int64_t c = 0; c < columns; ++c) {
      buffer[r * columns + c] = static_cast<float>(x[r * stride + c]);
    }
  }
  return {buffer, columns};
}

Matrix target(float* x, int64_t stride, int64_t, float*) { return {x, stride}; }
Matrix target(bf16*, int64_t, int64_t columns, float* buffer) { return {buffer, columns}; }

void finish(const Matrix&, int64_t, int64_t, int64_t, float*) {}

// Rounds a target's float32 copy into x [rows, columns] at this stride.
void finish(const Matrix& from, int64_t rows, int64_t columns, int64_t stride, bf16* x) {
  for (int64_t r = 0; r < rows; ++r) {
#pragma omp simd
    for (int64_t c = 0; c < columns; ++c) {
      store(from.data[r * from.stride + c], x[r * stride + c]);
    }
  }
}

// c [M, N] = alpha op(a) op(b) + beta c
void multiply(char trans_a, char trans_b, int64_t M, int64_t N, int64_t K, float alpha,
              const Matrix& a, const Matrix& b, float beta, const Matrix& c) {
  gemm(trans_a == 'T', trans_b == 'T', M, N, K, a.data, a.stride, b.data, b.stride, beta, c.data,
       c.stride, alpha);
}

// Keys that query i sees.
int64_t visible(const Sizes& s, bool causal, int64_t i) {
  return causal ? std::min(s.L, i + 1) : s.L;
}

// Turns a row of scores into probabilities, returns the log-sum-exp.   row [L], the first n visible
float softmax_row(float* row, int64_t n, int64_t L) {
  float top = -std::numeric_limits<float>::infinity();
#pragma omp simd reduction(max : top)
  for (int64_t l = 0; l < n; ++l) {
    top = top < row[l] ? row[l] : top;
  }
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t l = 0; l < n; ++l) {
    row[l] = fast_exp(row[l] - top);
    sum += row[l];
  }
  const float factor = 1.0f / sum;
#pragma omp simd
  for (int64_t l = 0; l < n; ++l) {
    row[l] *= factor;
  }
  std::fill(row + n, row + L, 0.0f);
  return top + std::log(sum);
}

// One (picture, head) of the forward pass. All pointers are to the task's first element.
//   q [Q, head], k, v [L, head], y [Q, head] at stride D; lse [Q]; buffer: as split below
template <class T>
void forward_task(const Sizes& s, const AttentionSpec& spec, int64_t task, const T* q, const T* k,
                  const T* v, float* lse, T* y, float* buffer) {
  float* scores = buffer;  // [block, L]
  float* keep = scores + s.block * s.L;  // [L]
  float* q_copy = keep + s.L;
  float *k_copy = q_copy + s.block * s.head, *v_copy = k_copy + s.L * s.head;
  float* y_copy = v_copy + s.L * s.head;
  const Matrix mk = view(k, s.L, s.head, s.D, k_copy), mv = view(v, s.L, s.head, s.D, v_copy);
  for (int64_t i0 = 0; i0 < s.Q; i0 += s.block) {
    const int64_t rows = std::min(s.block, s.Q - i0);
    const Matrix p{scores, s.L}, mq = view(q + i0 * s.D, rows, s.head, s.D, q_copy);
    multiply('N', 'T', rows, s.L, s.head, s.scale, mq, mk, 0, p);
    for (int64_t i = 0; i < rows; ++i) {
      float* row = scores + i * s.L;
      lse[i0 + i] = softmax_row(row, visible(s, spec.causal, i0 + i), s.L);
      if (spec.dropout.active()) {
        keep_factors(spec.dropout, (task * s.Q + i0 + i) * s.L, s.L, keep);
#pragma omp simd
        for (int64_t l = 0; l < s.L; ++l) {
          row[l] *= keep[l];
        }
      }
    }
    const Matrix my = target(y + i0 * s.D, s.D, s.head, y_copy);
    multiply('N', 'N', rows, s.head, s.L, 1, p, mv, 0, my);
    finish(my, rows, s.head, s.D, y + i0 * s.D);
  }
}

// With p the probabilities, f the dropout factors and g = (dy v^T) f:
//   scores becomes p f (what multiplied v), g becomes dscores = p (g - sum(p g)).
// One row: query i.   scores, g, keep [L]
void row_gradient(const Sizes& s, const AttentionSpec& spec, int64_t task, int64_t i, float lse,
                  float* scores, float* g, float* keep) {
  const int64_t n = visible(s, spec.causal, i);
#pragma omp simd
  for (int64_t l = 0; l < n; ++l) {
    scores[l] = fast_exp(scores[l] - lse);
  }
  std::fill(scores + n, scores + s.L, 0.0f);
  if (spec.dropout.active()) {
    keep_factors(spec.dropout, (task * s.Q + i) * s.L, s.L, keep);
  } else {
    std::fill(keep, keep + s.L, 1.0f);
  }
  float dot = 0;
#pragma omp simd reduction(+ : dot)
  for (int64_t l = 0; l < s.L; ++l) {
    g[l] *= keep[l];
    dot += scores[l] * g[l];
  }
#pragma omp simd
  for (int64_t l = 0; l < s.L; ++l) {
    g[l] = scores[l] * (g[l] - dot);
    scores[l] *= keep[l];
  }
}

// One (picture, head) of the backward pass.
//   dy, q, k, v, dk, dv at the task's first element, stride D; dq f32 [Q, head] at stride D
template <class T>
void backward_task(const Sizes& s, const AttentionSpec& spec, int64_t task, const T* dy, const T* q,
                   const T* k, const T* v, const float* lse, float* dq, T* dk, T* dv,
                   float* buffer) {
  float *scores = buffer, *g = scores + s.block * s.L, *keep = g + s.block * s.L;
  float *q_copy = keep + s.L, *dy_copy = q_copy + s.block * s.head;
  float *k_copy = dy_copy + s.block * s.head, *v_copy = k_copy + s.L * s.head;
  float *dk_copy = v_copy + s.L * s.head, *dv_copy = dk_copy + s.L * s.head;
  const Matrix mk = view(k, s.L, s.head, s.D, k_copy), mv = view(v, s.L, s.head, s.D, v_copy);
  const Matrix mdk = target(dk, s.D, s.head, dk_copy), mdv = target(dv, s.D, s.head, dv_copy);
  for (int64_t i0 = 0; i0 < s.Q; i0 += s.block) {
    const int64_t rows = std::min(s.block, s.Q - i0);
    const float beta = i0 == 0 ? 0.0f : 1.0f;
    const Matrix p{scores, s.L}, dp{g, s.L}, mdq{dq + i0 * s.D, s.D};
    const Matrix mq = view(q + i0 * s.D, rows, s.head, s.D, q_copy);
    const Matrix mdy = view(dy + i0 * s.D, rows, s.head, s.D, dy_copy);
    multiply('N', 'T', rows, s.L, s.head, s.scale, mq, mk, 0, p);
    multiply('N', 'T', rows, s.L, s.head, 1, mdy, mv, 0, dp);
    for (int64_t i = 0; i < rows; ++i) {
      row_gradient(s, spec, task, i0 + i, lse[i0 + i], scores + i * s.L, g + i * s.L, keep);
    }
    multiply('T', 'N', s.L, s.head, rows, 1, p, mdy, beta, mdv);
    multiply('T', 'N', s.L, s.head, rows, s.scale, dp, mq, beta, mdk);
    multiply('N', 'N', rows, s.head, s.L, s.scale, dp, mk, 0, mdq);
  }
  finish(mdk, s.L, s.head, s.D, dk);
  finish(mdv, s.L, s.head, s.D, dv);
}

}  // namespace

void attention_forward(const Tensor& q, const Tensor& k, const Tensor& v,
                       const AttentionSpec& spec, Tensor& lse, Tensor& y) {
  const Sizes s(q, k, spec);
  const int64_t floats = s.block * s.L + s.L + 2 * (s.block + s.L) * s.head;
  Tensor buffers({compute_threads(), floats});
  dispatch(q.dtype(), [&]<class T>() {
    parallel_for(s.N * s.E, 1, [&](int64_t begin, int64_t end) {
      float* buffer = buffers.data<float>() + omp_get_thread_num() * floats;
      for (int64_t task = begin; task < end; ++task) {
        const int64_t n = task / s.E, e = task % s.E;
        forward_task(s, spec, task, q.data<T>() + s.offset(s.shared_q ? 0 : n, s.Q, e),
                     k.data<T>() + s.offset(n, s.L, e), v.data<T>() + s.offset(n, s.L, e),
                     lse.data<float>() + task * s.Q, y.data<T>() + s.offset(n, s.Q, e), buffer);
      }
    });
  });
}

// dq of shared queries is the sum over the pictures, in their order.
void attention_backward(const Tensor& dy, const Tensor& q, const Tensor& k, const Tensor& v,
                        const Tensor& /*y*/, const Tensor& lse, const AttentionSpec& spec,
                        Tensor& dq, Tensor& dk, Tensor& dv) {
  const Sizes s(q, k, spec);
  const int64_t floats = 2 * s.block * s.L + s.L + (2 * s.block + 4 * s.L) * s.head;
  Tensor buffers({compute_threads(), floats});
  const bool direct = dq.dtype() == DType::f32 && dq.shape()[0] == s.N;
  Tensor dq_images = direct ? dq : Tensor({s.N, s.Q, s.D});  // float32
  dispatch(q.dtype(), [&]<class T>() {
    parallel_for(s.N * s.E, 1, [&](int64_t begin, int64_t end) {
      float* buffer = buffers.data<float>() + omp_get_thread_num() * floats;
      for (int64_t task = begin; task < end; ++task) {
        const int64_t n = task / s.E, e = task % s.E;
        const int64_t key = s.offset(n, s.L, e), query = s.offset(n, s.Q, e);
        backward_task(s, spec, task, dy.data<T>() + query,
                      q.data<T>() + s.offset(s.shared_q ? 0 : n, s.Q, e), k.data<T>() + key,
                      v.data<T>() + key, lse.data<float>() + task * s.Q,
                      dq_images.data<float>() + query, dk.data<T>() + key, dv.data<T>() + key,
                      buffer);
      }
    });
  });
  if (!direct && s.shared_q) {
    Tensor sum({s.Q * s.D});
    sum_rows(dq_images.reshape({s.N, s.Q * s.D}), sum);
    Tensor flat = dq.reshape({s.Q * s.D});
    cast(sum, flat);
  } else if (!direct) {
    cast(dq_images, dq);
  }
}

}  // namespace mld::cpu
