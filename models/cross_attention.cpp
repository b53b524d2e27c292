#include "models/cross_attention.h"

#include <algorithm>
#include <cmath>

#include "models/registry.h"

namespace mld {

static std::vector<std::string_view> heads_with_attention() {
  std::vector<std::string_view> names;
  for (const HeadRow& row : heads()) {
    if (row.attention_heads > 0) {
      names.push_back(row.name);
    }
  }
  return names;
}

CrossAttention::CrossAttention(const ModelSpec& spec)
    : heads_(head_row(spec).attention_heads),
      classes_per_query_(head_row(spec).classes_per_query(spec)) {
  require<UsageError>(heads_ > 0,
                      "attention: the head {} has none: it reads all of a picture alike; models "
                      "with a decoder have it: model.head = {}", spec.head,
                      fmt::join(heads_with_attention(), ", "));
}

Tap CrossAttention::tap() {
  return [this](std::string_view stage, const Var& y) {
    const Shape& s = y.shape();
    if (stage == "features") {
      rows_ = s.rank() == 4 ? s[1] : 1;
      columns_ = s.rank() == 4 ? s[2] : s[1];
    } else if (stage == "query") {
      q_ = y.value;
    } else if (stage == "key") {
      k_ = y.value;
      host_.reset();
    }
  };
}

int64_t CrossAttention::pictures() const { return k_.defined() ? k_.shape()[0] : 0; }
int64_t CrossAttention::queries() const { return q_.defined() ? q_.shape()[1] : 0; }

const CrossAttention::Host& CrossAttention::host() const {
  require(q_.defined() && k_.defined() && k_.shape()[1] == rows_ * columns_,
          "attention: no call of a model with a decoder was listened to");
  if (!host_) {
    host_ = {.q = q_.to_vector(), .k = k_.to_vector()};
  }
  return *host_;
}

// to [E, L]
void CrossAttention::fill(int64_t picture, int64_t query, float* to) const {
  const Host& from = host();
  const int64_t Q = queries(), L = rows_ * columns_, D = k_.shape()[2], width = D / heads_;
  const int64_t row = (q_.shape()[0] == 1 ? 0 : picture) * Q + query;
  const float* q = &from.q[static_cast<size_t>(row * D)];
  const float* k = &from.k[static_cast<size_t>(picture * L * D)];
  const double scale = 1 / std::sqrt(static_cast<double>(width));
  std::vector<double> scores(static_cast<size_t>(L));
  for (int64_t first = 0; first < D; first += width) {  // of the head's columns
    for (int64_t l = 0; l < L; ++l) {
      double dot = 0;
      for (int64_t d = first; d < first + width; ++d) {
        dot += static_cast<double>(q[d]) * static_cast<double>(k[l * D + d]);
      }
      scores[static_cast<size_t>(l)] = scale * dot;
    }
    const double top = *std::ranges::max_element(scores);
    double sum = 0;
    for (double& score : scores) {
      score = std::exp(score - top);
      sum += score;
    }
    to = std::ranges::transform(scores, to, [sum](double p) {
      return static_cast<float>(p / sum);
    }).out;
  }
}

Tensor CrossAttention::weights() const {
  host();
  const int64_t N = pictures(), Q = queries(), L = rows_ * columns_;
  Tensor all({N, heads_, Q, rows_, columns_});
  std::vector<float> one(static_cast<size_t>(heads_ * L));
  for (int64_t i = 0; i < N * Q; ++i) {
    fill(i / Q, i % Q, one.data());
    for (int64_t e = 0; e < heads_; ++e) {
      const int64_t row = (i / Q * heads_ + e) * Q + i % Q;
      std::copy_n(one.data() + e * L, L, all.data<float>() + row * L);
    }
  }
  return all;
}

Tensor CrossAttention::weights(int64_t picture, int64_t query) const {
  host();
  require(0 <= picture && picture < pictures() && 0 <= query && query < queries(),
          "attention: no query {} of picture {}; there are {} of {}", query, picture, queries(),
          pictures());
  Tensor some({heads_, rows_, columns_});
  fill(picture, query, some.data<float>());
  return some;
}

Tensor CrossAttention::map(int64_t picture, int64_t query, std::optional<int> head) const {
  const Tensor all = weights(picture, query);
  require(!head || (0 <= *head && *head < heads_), "attention: no head {}; there are {}",
          head.value_or(0), heads_);
  if (head) {
    return all.rows(*head, *head + 1).reshape({rows_, columns_});
  }
  Tensor mean = Tensor::zeros({rows_, columns_});
  for (int64_t i = 0; i < all.numel(); ++i) {
    mean.data<float>()[i % mean.numel()] += all.data<float>()[i] / static_cast<float>(heads_);
  }
  return mean;
}

}  // namespace mld
