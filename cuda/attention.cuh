// Shared by the two versions of attention. The tensor-core version (attention_mma*.cu) takes
// bfloat16 heads of a multiple of 16 columns, at most 128; attention.cu takes everything.
#pragma once

#include "core/specs.h"
#include "cuda/keep_mask.cuh"
#include "cuda/values.cuh"

namespace mld::cuda {

// Sizes and strides; q may be shared by the pictures (its picture stride is then 0).
struct AttentionSizes {
  int Q, L, E, head;  // queries, keys, heads, D / E columns
  int64_t N, D, q_stride;  // pictures, columns, elements between two pictures' queries
  float scale;
  bool causal;

  AttentionSizes(const Tensor& q, const Tensor& k, const AttentionSpec& spec)
      : Q(static_cast<int>(q.shape()[1])), L(static_cast<int>(k.shape()[1])), E(spec.heads),
        head(static_cast<int>(k.shape()[2] / spec.heads)), N(k.shape()[0]), D(k.shape()[2]),
        q_stride(q.shape()[0] == 1 ? 0 : q.shape()[1] * k.shape()[2]),
        scale(1.0f / sqrtf(static_cast<float>(k.shape()[2] / spec.heads))), causal(spec.causal) {}

  // Keys that query i sees.
  __host__ __device__ int visible(int i) const { return causal ? min(L, i + 1) : L; }
};

// Whether the tensor-core kernels can take these.
bool attention_mma_fits(const Tensor& q, const Tensor& k, const Tensor& v,
                        const AttentionSpec& spec);
void attention_mma_forward(const Tensor& q, const Tensor& k, const Tensor& v,
                           const AttentionSpec& spec, Tensor& lse, Tensor& y);
// delta f32 [N, E, Q]: sum over the head of dy * y;  dq values [N, Q, D], also where q is shared
void attention_mma_backward(const Tensor& dy, const Tensor& q, const Tensor& k, const Tensor& v,
                            const Tensor& lse, const Tensor& delta, const AttentionSpec& spec,
                            Tensor& dq, Tensor& dk, Tensor& dv);

}  // namespace mld::cuda
