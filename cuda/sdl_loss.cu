// sdl_loss: semantic diversity learning, one loss per picture, in float32.
#include "core/kernels.h"
#include "cuda/element_weights.cuh"
#include "cuda/math.cuh"
#include "cuda/rows.cuh"

namespace mld::cuda {
namespace {

// One picture's rows, read by the whole block.
struct Picture {
  const float *s, *y, *weights;  // [K]; weights may be null
  const float* words;            // [K, D]
  int64_t K, D;

  __device__ bool present(int64_t k) const { return weight_at(weights, k) != 0 && y[k] >= 0.5f; }
  __device__ bool absent(int64_t k) const { return weight_at(weights, k) != 0 && y[k] < 0.5f; }

  // 1 + the sum over d of the unbiased variance of `count` labels' words. All threads must call.
  __device__ float omega(float count) const {
    if (count < 2) {
      return 1;
    }
    return 1 + row_sum(D, [this, count](int64_t d) {
      float mean = 0, squares = 0;
      for (int64_t k = 0; k < K; ++k) {
        mean += present(k) ? words[k * D + d] : 0.0f;
      }
      mean /= count;
      for (int64_t k = 0; k < K; ++k) {
        const float off = present(k) ? words[k * D + d] - mean : 0.0f;
        squares += off * off;
      }
      return squares / (count - 1);
    });
  }

  // The terms of the ranking that an absent label k has with the present ones, or, where `alone`
  // (there is no absent label), a present label's one term.
  __device__ float terms(int64_t k, bool alone) const {
    if (alone) {
      return present(k) ? softplus(-s[k]) : 0.0f;
    }
    float sum = 0;
    for (int64_t p = 0; absent(k) && p < K; ++p) {
      sum += present(p) ? softplus(s[k] - s[p]) : 0.0f;
    }
    return sum;
  }
  // The derivative of all terms by s[k].
  __device__ float slope(int64_t k, bool alone) const {
    if (present(k) && alone) {
      return -sigmoid(-s[k]);
    }
    float sum = 0;
    for (int64_t j = 0; present(k) && j < K; ++j) {
      sum -= absent(j) ? sigmoid(s[j] - s[k]) : 0.0f;
    }
    for (int64_t j = 0; absent(k) && j < K; ++j) {
      sum += present(j) ? sigmoid(s[k] - s[j]) : 0.0f;
    }
    return sum;
  }
};

__device__ Picture picture_of(const Picture& first) {
  const int64_t at = blockIdx.x * first.K;
  return {first.s + at, first.y + at, first.weights != nullptr ? first.weights + at : nullptr,
          first.words, first.K, first.D};
}

// One block per picture. `first`: the first picture's rows; v [N, D] or null; loss [N]
__global__ void __launch_bounds__(kRowThreads)
    forward_kernel(Picture first, const float* v, float rank_share, float variance_share,
                   float* loss) {
  const Picture picture = picture_of(first);
  const float count = row_sum(first.K, [&](int64_t k) { return picture.present(k) ? 1.0f : 0.0f; });
  const float others = row_sum(first.K, [&](int64_t k) { return picture.absent(k) ? 1.0f : 0.0f; });
  const float omega = picture.omega(count);
  const float sum = row_sum(first.K, [&](int64_t k) { return picture.terms(k, others == 0); });
  const float* row = v != nullptr ? v + blockIdx.x * first.D : nullptr;
  const float variance =
      row_sum(row != nullptr ? first.D : 0, [row](int64_t d) { return row[d]; });
  if (threadIdx.x == 0) {
    loss[blockIdx.x] =
        count == 0 ? 0.0f : rank_share * omega * sum / count + variance_share * variance;
  }
}

// One block per picture.   dloss [N]; ds [N, K]; dv [N, D] or null
__global__ void __launch_bounds__(kRowThreads)
    backward_kernel(const float* dloss, Picture first, float rank_share, float variance_share,
                    float* ds, float* dv) {
  const Picture picture = picture_of(first);
  const float count = row_sum(first.K, [&](int64_t k) { return picture.present(k) ? 1.0f : 0.0f; });
  const float others = row_sum(first.K, [&](int64_t k) { return picture.absent(k) ? 1.0f : 0.0f; });
  const float omega = picture.omega(count);
  const float g = count == 0 ? 0.0f : dloss[blockIdx.x];
  const float factor = count == 0 ? 0.0f : g * rank_share * omega / count;
  float* row = ds + blockIdx.x * first.K;
  for_row(first.K, [&](int64_t k) { row[k] = factor * picture.slope(k, others == 0); });
  if (dv != nullptr) {
    float* variances = dv + blockIdx.x * first.D;
    for_row(first.D, [&](int64_t d) { variances[d] = g * variance_share; });
  }
}

Picture first_picture(const Tensor& s, const Tensor& y, const Tensor& weights,
                      const Tensor& words) {
  return {s.data<float>(), y.data<float>(), floats_or_null(weights), words.data<float>(),
          s.shape()[1], words.shape()[1]};
}

float rank_share(const SdlSpec& spec, bool regularised) {
  return regularised ? 2 * (1 - spec.weight) : 1;
}

}  // namespace

void sdl_loss_forward(const Tensor& s, const Tensor& v, const Tensor& y, const Tensor& weights,
                      const Tensor& words, const SdlSpec& spec, Tensor& loss) {
  launch(forward_kernel, static_cast<unsigned>(s.shape()[0]), kRowThreads, 0,
         first_picture(s, y, weights, words), floats_or_null(v), rank_share(spec, v.defined()),
         2 * spec.weight, loss.data<float>());
}

void sdl_loss_backward(const Tensor& dloss, const Tensor& s, const Tensor& y,
                       const Tensor& weights, const Tensor& words, const SdlSpec& spec, Tensor& ds,
                       Tensor& dv) {
  launch(backward_kernel, static_cast<unsigned>(s.shape()[0]), kRowThreads, 0,
         dloss.data<float>(), first_picture(s, y, weights, words),
         rank_share(spec, dv.defined()), 2 * spec.weight, ds.data<float>(),
         dv.defined() ? dv.data<float>() : nullptr);
}

}  // namespace mld::cuda
