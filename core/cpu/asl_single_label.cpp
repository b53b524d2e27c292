// asl_single_label: ASL for one label per picture, in float64; the formulas are in core/asl.h.
#include "core/asl.h"

#include "core/cpu/support/element_weights.h"
#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {
namespace {

using Term = AslSingleTerm<double>;

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

// x, y, weights [N, K]; loss [N]
void asl_single_label_forward(const Tensor& x, const Tensor& y, const Tensor& weights,
                              const AslSingleSpec& spec, Tensor& loss) {
  const int64_t N = x.shape()[0], K = x.shape()[1];
  const float *px = x.data<float>(), *py = y.data<float>();
  float* out = loss.data<float>();
  const ElementWeights weight(weights);
  std::vector<double> log_p(static_cast<size_t>(N * K));
  parallel_for(N, row_grain(64 * K), [&, K](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      double* l = log_p.data() + n * K;
      row_log_softmax(px + n * K, K, l);
      double sum = 0;
      for (int64_t k = 0; k < K; ++k) {
        const int64_t i = n * K + k;
        sum += static_cast<double>(weight[i]) * Term(l[k], py[i], spec, K).loss(l[k]);
      }
      out[n] = static_cast<float>(sum);
    }
  });
}

// dloss [N]; x, y, weights, dx [N, K]
void asl_single_label_backward(const Tensor& dloss, const Tensor& x, const Tensor& y,
                               const Tensor& weights, const AslSingleSpec& spec, Tensor& dx) {
  const int64_t N = x.shape()[0], K = x.shape()[1];
  const float *px = x.data<float>(), *py = y.data<float>(), *pdl = dloss.data<float>();
  float* pdx = dx.data<float>();
  const ElementWeights weight(weights);
  std::vector<double> log_p(static_cast<size_t>(N * K)), slopes(static_cast<size_t>(N * K));
  parallel_for(N, row_grain(64 * K), [&, K](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      double *l = log_p.data() + n * K, *a = slopes.data() + n * K;
      row_log_softmax(px + n * K, K, l);
      double sum = 0;
      for (int64_t k = 0; k < K; ++k) {
        const int64_t i = n * K + k;
        a[k] = static_cast<double>(weight[i]) * Term(l[k], py[i], spec, K).gradient(l[k]);
        sum += a[k];
      }
      for (int64_t k = 0; k < K; ++k) {
        pdx[n * K + k] = static_cast<float>(pdl[n] * (a[k] - std::exp(l[k]) * sum));
      }
    }
  });
}

}  // namespace mld::cpu
