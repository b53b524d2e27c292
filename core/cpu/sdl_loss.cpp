// sdl_loss: semantic diversity learning, one loss per picture, in float64.
#include "core/cpu/support/element_weights.h"
#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {
namespace {

double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// One picture's labels by their sets, and what follows from them alone.
struct Picture {
  std::vector<size_t> present, absent;
  double omega = 1;

  // y: the picture's row; `first` its first element's index
  Picture(const float* y, const ElementWeights& weight, int64_t first, const Tensor& words) {
    const int64_t K = words.shape()[0];
    for (int64_t k = 0; k < K; ++k) {
      if (weight[first + k] != 0) {
        (y[first + k] >= 0.5f ? present : absent).push_back(static_cast<size_t>(k));
      }
    }
    if (present.size() > 1) {
      omega += spread(words);
    }
  }
  double count() const { return static_cast<double>(present.size()); }

 private:
  double spread(const Tensor& words) const {
    const auto D = static_cast<size_t>(words.shape()[1]);
    const float* w = words.data<float>();
    double sum = 0;
    for (size_t d = 0; d < D; ++d) {
      double mean = 0, squares = 0;
      for (const size_t k : present) {
        mean += static_cast<double>(w[k * D + d]) / count();
      }
      for (const size_t k : present) {
        const double off = static_cast<double>(w[k * D + d]) - mean;
        squares += off * off;
      }
      sum += squares / (count() - 1);
    }
    return sum;
  }
};

double rank_part(const Picture& picture, const float* s) {
  double sum = 0;
  for (const size_t p : picture.present) {
    const double score = s[p];
    if (picture.absent.empty()) {
      sum += softplus(-score);
    }
    for (const size_t q : picture.absent) {
      sum += softplus(static_cast<double>(s[q]) - score);
    }
  }
  return sum / picture.count();
}

// ds = factor * the gradient of rank_part * |P|.   s, ds [K]; ds starts as zeros
void rank_gradient(const Picture& picture, const float* s, double factor, double* ds) {
  for (const size_t p : picture.present) {
    const double score = s[p];
    if (picture.absent.empty()) {
      ds[p] -= factor * sigmoid(-score);
    }
    for (const size_t q : picture.absent) {
      const double slope = factor * sigmoid(static_cast<double>(s[q]) - score);
      ds[q] += slope;
      ds[p] -= slope;
    }
  }
}

// The factors of omega rank and of the sum of variances.
struct Shares {
  double rank = 1, variance = 0;
  Shares(const SdlSpec& spec, bool regularised) {
    if (regularised) {
      rank = 2 * (1 - static_cast<double>(spec.weight));
      variance = 2 * static_cast<double>(spec.weight);
    }
  }
};

}  // namespace

// s, y, weights [N, K]; v [N, D] or undefined; words [K, D]; loss [N]
void sdl_loss_forward(const Tensor& s, const Tensor& v, const Tensor& y, const Tensor& weights,
                      const Tensor& words, const SdlSpec& spec, Tensor& loss) {
  const int64_t N = s.shape()[0], K = s.shape()[1], D = words.shape()[1];
  const ElementWeights weight(weights);
  const Shares share(spec, v.defined());
  const float *ps = s.data<float>(), *py = y.data<float>();
  const float* pv = v.defined() ? v.data<float>() : nullptr;
  float* out = loss.data<float>();
  parallel_for(N, 1, [&, K, D, ps, py, pv, out](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const Picture picture(py, weight, n * K, words);
      if (picture.present.empty()) {
        out[n] = 0;
        continue;
      }
      double value = share.rank * picture.omega * rank_part(picture, ps + n * K);
      if (pv != nullptr) {
        value += share.variance * std::accumulate(pv + n * D, pv + (n + 1) * D, 0.0);
      }
      out[n] = static_cast<float>(value);
    }
  });
}

// dloss [N]; s, y, weights, ds [N, K]; words [K, D]; dv [N, D] or undefined
void sdl_loss_backward(const Tensor& dloss, const Tensor& s, const Tensor& y,
                       const Tensor& weights, const Tensor& words, const SdlSpec& spec, Tensor& ds,
                       Tensor& dv) {
  const int64_t N = s.shape()[0], K = s.shape()[1], D = words.shape()[1];
  const ElementWeights weight(weights);
  const Shares share(spec, dv.defined());
  const float *ps = s.data<float>(), *py = y.data<float>(), *pdl = dloss.data<float>();
  float *pds = ds.data<float>(), *pdv = dv.defined() ? dv.data<float>() : nullptr;
  parallel_for(N, 1, [&, K, D, ps, py, pdl, pds, pdv](int64_t begin, int64_t end) {
    std::vector<double> row(static_cast<size_t>(K));
    for (int64_t n = begin; n < end; ++n) {
      const Picture picture(py, weight, n * K, words);
      const bool counts = !picture.present.empty();
      const double g = counts ? static_cast<double>(pdl[n]) : 0;
      std::fill(row.begin(), row.end(), 0.0);
      if (counts) {
        rank_gradient(picture, ps + n * K, g * share.rank * picture.omega / picture.count(),
                      row.data());
      }
      std::transform(row.begin(), row.end(), pds + n * K,
                     [](double value) { return static_cast<float>(value); });
      if (pdv != nullptr) {
        std::fill(pdv + n * D, pdv + (n + 1) * D, static_cast<float>(g * share.variance));
      }
    }
  });
}

}  // namespace mld::cpu
