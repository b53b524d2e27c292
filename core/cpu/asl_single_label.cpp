// asl_single_label: ASL for one label per image (the published code's ASLSingleLabel). With
// l = log_softmax(x), p = e^l and one-hot y, per image:
//   loss = -sum_k t_k w_k l_k,   t = y (1 - s) + s / K,
//   w = (1 - p)^gamma_pos on the label, p^gamma_neg elsewhere. Gradients flow through w.
#include <cmath>

#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {
namespace {

// The weight of one class and its derivative by l.
struct Focus {
  double weight = 1, slope = 0;

  Focus(double l, double y, const AslSingleSpec& spec) {
    const double p = std::exp(l), gamma = spec.gamma_pos * y + spec.gamma_neg * (1 - y);
    if (gamma == 0) {
      return;
    }
    const double base = y * -std::expm1(l) + (1 - y) * p;  // 1 - p without cancellation
    weight = std::pow(base, gamma);
    slope = base > 0 ? gamma * std::pow(base, gamma - 1) * (1 - 2 * y) * p : 0;
  }
};

inline double smoothed(double y, double smoothing, int64_t K) {
  return y * (1 - smoothing) + smoothing / static_cast<double>(K);
}

// log_softmax of one row in float64.   x, l [K]
void row_log_softmax(const float* x, int64_t K, double* l) {
  const double top = *std::max_element(x, x + K);
  double sum = 0;
  for (int64_t k = 0; k < K; ++k) {
    sum += std::exp(static_cast<double>(x[k]) - top);
  }
  const double log_sum = std::log(sum);
  for (int64_t k = 0; k < K; ++k) {
    l[k] = static_cast<double>(x[k]) - top - log_sum;
  }
}

}  // namespace

// x, y [N, K]; loss [N]
void asl_single_label_forward(const Tensor& x, const Tensor& y, const AslSingleSpec& spec,
                        Tensor& loss) {
  const int64_t N = x.shape()[0], K = x.shape()[1];
  const float *px = x.data<float>(), *py = y.data<float>();
  float* out = loss.data<float>();
  std::vector<double> log_p(static_cast<size_t>(N * K));
  parallel_for(N, row_grain(64 * K), [&, K](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      double* l = log_p.data() + n * K;
      row_log_softmax(px + n * K, K, l);
      double sum = 0;
      for (int64_t k = 0; k < K; ++k) {
        const double target = py[n * K + k];
        sum -= smoothed(target, spec.smoothing, K) * Focus(l[k], target, spec).weight * l[k];
      }
      out[n] = static_cast<float>(sum);
    }
  });
}

// With a_k = -t_k (w_k + l_k dw_k/dl_k):  dx_k = dloss (a_k - p_k sum(a)).
//   dloss [N]; x, y, dx [N, K]
void asl_single_label_backward(const Tensor& dloss, const Tensor& x, const Tensor& y,
                         const AslSingleSpec& spec, Tensor& dx) {
  const int64_t N = x.shape()[0], K = x.shape()[1];
  const float *px = x.data<float>(), *py = y.data<float>(), *pdl = dloss.data<float>();
  float* pdx = dx.data<float>();
  std::vector<double> log_p(static_cast<size_t>(N * K)), slopes(static_cast<size_t>(N * K));
  parallel_for(N, row_grain(64 * K), [&, K](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      double *l = log_p.data() + n * K, *a = slopes.data() + n * K;
      row_log_softmax(px + n * K, K, l);
      double sum = 0;
      for (int64_t k = 0; k < K; ++k) {
        const double target = py[n * K + k];
        const Focus focus(l[k], target, spec);
        a[k] = -smoothed(target, spec.smoothing, K) * (focus.weight + l[k] * focus.slope);
        sum += a[k];
      }
      for (int64_t k = 0; k < K; ++k) {
        pdx[n * K + k] = static_cast<float>(pdl[n] * (a[k] - std::exp(l[k]) * sum));
      }
    }
  });
}

}  // namespace mld::cpu
