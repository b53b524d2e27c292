// attention: per head, y = dropout(softmax(q k^T / sqrt(D/E))) v, never storing the probabilities.
//
// The general version: one warp per row, float32 arithmetic, heads of any width. A row of scores
// lives in shared memory. Backward recomputes the probabilities from lse, once by query for dq and
// once by key for dk and dv, so no sum is shared by two warps. bfloat16 goes to attention_mma.cu
// where the sizes allow.
#include "core/kernels.h"
#include "cuda/attention.cuh"
#include "cuda/reduce.cuh"

namespace mld::cuda {
namespace {

constexpr int kWarps = 4, kThreads = 32 * kWarps;

// The row a warp works on: picture n, head e, position i of `positions`.
struct Row {
  int64_t n;
  int e, i;
  bool live;

  __device__ Row(const AttentionSizes& s, int positions) {
    const int64_t row = blockIdx.x * int64_t{kWarps} + threadIdx.x / 32;
    live = row < s.N * s.E * positions;
    i = static_cast<int>(row % positions);
    e = static_cast<int>(row / positions % s.E);
    n = row / positions / s.E;
  }
  // The first of the head's columns in row `r` of [*, rows, D].
  __device__ int64_t at(const AttentionSizes& s, int64_t image, int rows, int r) const {
    return (image * rows + r) * s.D + int64_t{e} * s.head;
  }
};

template <class T>
__device__ inline float dot(const T* a, const T* b, int n) {
  float sum = 0;
  for (int i = 0; i < n; ++i) {
    sum += load_one(a + i) * load_one(b + i);
  }
  return sum;
}

// One warp per query.   q [N or 1, Q, D]; k, v [N, L, D]; lse [N, E, Q]; y [N, Q, D]
template <class T>
__global__ void __launch_bounds__(kThreads)
    forward_kernel(const T* q, const T* k, const T* v, AttentionSizes s, KeepMask keep, float* lse,
                   T* y) {
  DYN_SHARED(float, all_scores);  // [kWarps, L]
  const Row row(s, s.Q);
  if (!row.live) {
    return;  // whole warps return, and only warp functions follow
  }
  const int lane = threadIdx.x % 32, seen = s.visible(row.i);
  float* scores = all_scores + threadIdx.x / 32 * s.L;
  const T* query = q + row.n * s.q_stride + int64_t{row.i} * s.D + int64_t{row.e} * s.head;
  float top = -INFINITY;
  for (int l = lane; l < seen; l += 32) {
    scores[l] = s.scale * dot(query, k + row.at(s, row.n, s.L, l), s.head);
    top = fmaxf(top, scores[l]);
  }
  top = warp_max(top);
  float sum = 0;
  for (int l = lane; l < seen; l += 32) {
    scores[l] = expf(scores[l] - top);
    sum += scores[l];
  }
  sum = warp_sum(sum);
  const float inverse = 1 / sum;
  const int64_t at = (row.n * s.E + row.e) * s.Q + row.i;
  for (int l = lane; l < seen; l += 32) {
    scores[l] *= keep.factor(static_cast<uint64_t>(at * s.L + l)) * inverse;
  }
  __syncwarp();
  for (int c = lane; c < s.head; c += 32) {
    float out = 0;
#pragma unroll 1  // unrolled here, ptxas spills
    for (int l = 0; l < seen; ++l) {
      out += scores[l] * load_one(v + row.at(s, row.n, s.L, l) + c);
    }
    store_one(out, y + row.at(s, row.n, s.Q, row.i) + c);
  }
  if (lane == 0) {
    lse[at] = top + logf(sum);
  }
}

// delta = sum over the head of dy * y, which is the sum over the keys of p times its gradient.
// One warp per query.   dy, y [N, Q, D]; delta [N, E, Q]
__global__ void __launch_bounds__(kThreads)
    delta_kernel(const bf16* dy, const bf16* y, AttentionSizes s, float* delta) {
  const Row row(s, s.Q);
  if (!row.live) {
    return;
  }
  const int64_t at = row.at(s, row.n, s.Q, row.i);
  float sum = 0;
  for (int c = threadIdx.x % 32; c < s.head; c += 32) {
    sum += load_one(dy + at + c) * load_one(y + at + c);
  }
  sum = warp_sum(sum);
  if (threadIdx.x % 32 == 0) {
    delta[(row.n * s.E + row.e) * s.Q + row.i] = sum;
  }
}

// What backward needs of a (query, key) pair, with p the probability and f its dropout factor:
// weight = p f, the factor of v, and slope = p (f dy.v - delta) scale, the score's gradient.
struct Pair {
  float weight, slope;

  __device__ Pair(float score, float dy_v, float lse, float delta, float factor, float scale) {
    const float p = expf(score * scale - lse);
    weight = p * factor;
    slope = p * (factor * dy_v - delta) * scale;
  }
};

// One warp per query: delta = sum over keys of p f dy.v, exactly (dy . y would carry y's rounding),
// and dq = sum over keys of slope k.   delta [N, E, Q], dq [N, Q, D]
template <class T>
__global__ void __launch_bounds__(kThreads)
    query_gradient_kernel(const T* dy, const T* q, const T* k, const T* v, const float* lse,
                          AttentionSizes s, KeepMask keep, float* delta, T* dq) {
  DYN_SHARED(float, shared);  // [kWarps, 2, L]: probabilities, their gradients; then slopes
  const Row row(s, s.Q);
  if (!row.live) {
    return;
  }
  const int lane = threadIdx.x % 32, seen = s.visible(row.i);
  float* slopes = shared + threadIdx.x / 32 * 2 * s.L;
  float* gradients = slopes + s.L;
  const T* query = q + row.n * s.q_stride + int64_t{row.i} * s.D + int64_t{row.e} * s.head;
  const T* g = dy + row.at(s, row.n, s.Q, row.i);
  const int64_t at = (row.n * s.E + row.e) * s.Q + row.i;
  float sum = 0;
  for (int l = lane; l < seen; l += 32) {
    const int64_t key = row.at(s, row.n, s.L, l);
    slopes[l] = expf(s.scale * dot(query, k + key, s.head) - lse[at]);
    gradients[l] = keep.factor(static_cast<uint64_t>(at * s.L + l)) * dot(g, v + key, s.head);
    sum += slopes[l] * gradients[l];
  }
  sum = warp_sum(sum);
  for (int l = lane; l < seen; l += 32) {
    slopes[l] *= (gradients[l] - sum) * s.scale;
  }
  if (lane == 0) {
    delta[at] = sum;
  }
  __syncwarp();
  for (int c = lane; c < s.head; c += 32) {
    float sum = 0;
    for (int l = 0; l < seen; ++l) {
      sum += slopes[l] * load_one(k + row.at(s, row.n, s.L, l) + c);
    }
    store_one(sum, dq + row.at(s, row.n, s.Q, row.i) + c);
  }
}

// One warp per key: dk = sum over queries of slope q, dv = sum of weight dy.   dk, dv [N, L, D]
template <class T>
__global__ void __launch_bounds__(kThreads)
    key_gradient_kernel(const T* dy, const T* q, const T* k, const T* v, const float* lse,
                        const float* delta, AttentionSizes s, KeepMask keep, T* dk, T* dv) {
  DYN_SHARED(float, shared);  // [kWarps, 2, Q]: slopes, weights
  const Row row(s, s.L);
  if (!row.live) {
    return;
  }
  const int lane = threadIdx.x % 32, first = s.causal ? row.i : 0;  // earlier queries do not see it
  float* slopes = shared + threadIdx.x / 32 * 2 * s.Q;
  float* weights = slopes + s.Q;
  const T* queries = q + row.n * s.q_stride + int64_t{row.e} * s.head;
  const int64_t key = row.at(s, row.n, s.L, row.i);
  for (int i = first + lane; i < s.Q; i += 32) {
    const int64_t at = (row.n * s.E + row.e) * s.Q + i;
    const Pair pair(dot(queries + int64_t{i} * s.D, k + key, s.head),
                    dot(dy + row.at(s, row.n, s.Q, i), v + key, s.head), lse[at], delta[at],
                    keep.factor(static_cast<uint64_t>(at * s.L + row.i)), s.scale);
    slopes[i] = pair.slope;
    weights[i] = pair.weight;
  }
  __syncwarp();
  for (int c = lane; c < s.head; c += 32) {
    float sum_k = 0, sum_v = 0;
    for (int i = first; i < s.Q; ++i) {
      sum_k += slopes[i] * load_one(queries + int64_t{i} * s.D + c);
      sum_v += weights[i] * load_one(dy + row.at(s, row.n, s.Q, i) + c);
    }
    store_one(sum_k, dk + key + c);
    store_one(sum_v, dv + key + c);
  }
}

unsigned row_blocks(const AttentionSizes& s, int positions) {
  return static_cast<unsigned>(ceil_div(s.N * s.E * positions, kWarps));
}

template <class T>
void general_backward(const Tensor& dy, const Tensor& q, const Tensor& k, const Tensor& v,
                      const Tensor& lse, const AttentionSpec& spec, Tensor& delta, Tensor& dq,
                      Tensor& dk, Tensor& dv) {
  const AttentionSizes s(q, k, spec);
  const KeepMask keep(spec.dropout);
  launch(query_gradient_kernel<T>, row_blocks(s, s.Q), kThreads, sizeof(float) * kWarps * 2 * s.L,
         dy.data<T>(), q.data<T>(), k.data<T>(), v.data<T>(), lse.data<float>(), s, keep,
         delta.data<float>(), dq.data<T>());
  launch(key_gradient_kernel<T>, row_blocks(s, s.L), kThreads, sizeof(float) * kWarps * 2 * s.Q,
         dy.data<T>(), q.data<T>(), k.data<T>(), v.data<T>(), lse.data<float>(),
         delta.data<float>(), s, keep, dk.data<T>(), dv.data<T>());
}

}  // namespace

void attention_forward(const Tensor& q, const Tensor& k, const Tensor& v,
                       const AttentionSpec& spec, Tensor& lse, Tensor& y) {
  if (attention_mma_fits(q, k, v, spec)) {
    attention_mma_forward(q, k, v, spec, lse, y);
    return;
  }
  const AttentionSizes s(q, k, spec);
  dispatch(q.dtype(), [&]<class T>() {
    launch(forward_kernel<T>, row_blocks(s, s.Q), kThreads, sizeof(float) * kWarps * s.L,
           q.data<T>(), k.data<T>(), v.data<T>(), s, KeepMask(spec.dropout), lse.data<float>(),
           y.data<T>());
  });
}

// dq of shared queries is the sum over the pictures, in their order.
void attention_backward(const Tensor& dy, const Tensor& q, const Tensor& k, const Tensor& v,
                        const Tensor& y, const Tensor& lse, const AttentionSpec& spec, Tensor& dq,
                        Tensor& dk, Tensor& dv) {
  const AttentionSizes s(q, k, spec);
  Tensor delta = lse.like();
  const bool shared = s.q_stride == 0 && s.N > 1;
  Tensor each = shared ? Tensor({s.N, s.Q, s.D}, dq.dtype(), dq.device()) : dq;
  if (attention_mma_fits(q, k, v, spec) && reinterpret_cast<uintptr_t>(dy.raw()) % 16 == 0) {
    launch(delta_kernel, row_blocks(s, s.Q), kThreads, 0, dy.data<bf16>(), y.data<bf16>(), s,
           delta.data<float>());
    attention_mma_backward(dy, q, k, v, lse, delta, spec, each, dk, dv);
  } else {
    dispatch(q.dtype(), [&]<class T>() {
      general_backward<T>(dy, q, k, v, lse, spec, delta, each, dk, dv);
    });
  }
  if (shared) {
    Tensor flat = dq.reshape({s.Q * s.D});
    sum_rows(each.reshape({s.N, s.Q * s.D}), flat);
  }
}

}  // namespace mld::cuda
