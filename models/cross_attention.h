// Where a model looks: the weights with which its decoder's queries read the feature map.
#pragma once

#include <optional>
#include <vector>

#include "models/backbone.h"
#include "models/model_spec.h"

namespace mld {

// Listens to calls of a model and keeps what the decoder compared in the last one:
//
//   CrossAttention attention(model.spec);
//   model(images, attention.tap());
//   attention.map(picture, attention.query_of(column))
//
// A weight is softmax over the tokens l of q_e . k_l,e / sqrt(D/E) for head e, from the queries and
// keys that the call itself projected (bfloat16 ones where it computed in that); the dropout of
// training comes behind it. A call without the tap costs nothing, one with it the memory of the two
// and no more; a weight is computed when it is asked for.
//
// Note [Classes that share a query]. With model.groups one query answers several classes: what
// tells them apart is a linear map of its result, not where it looks. Their maps are one map.
class CrossAttention {
 public:
  // Errors: UsageError for a head without attention, naming those that have it.
  explicit CrossAttention(const ModelSpec& spec);
  CrossAttention(const CrossAttention&) = delete;  // a tap knows its place
  CrossAttention& operator=(const CrossAttention&) = delete;

  Tap tap();

  int heads() const { return heads_; }  // E
  int64_t classes_per_query() const { return classes_per_query_; }
  // The query that answers an output of the model, by its column.
  int64_t query_of(int64_t column) const { return column / classes_per_query_; }

  // Of the last call; without one, 0. The tokens are those of a map, row by row.
  int64_t pictures() const;
  int64_t queries() const;
  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }

  // Errors of these: Error before a call, or for a number beyond those above.
  // Each sums to 1 over the map.
  Tensor weights() const;                                // f32 [N, E, Q, rows, columns]
  Tensor weights(int64_t picture, int64_t query) const;  // f32 [E, rows, columns]
  // Of one head, or the mean of all.   f32 [rows, columns]
  Tensor map(int64_t picture, int64_t query, std::optional<int> head = {}) const;

 private:
  struct Host {
    std::vector<float> q, k;  // as the tensors, on the host
  };
  const Host& host() const;
  void fill(int64_t picture, int64_t query, float* to) const;

  int heads_;
  int64_t classes_per_query_, rows_ = 0, columns_ = 0;
  Tensor q_, k_;  // [N or 1, Q, D], [N, L, D]
  mutable std::optional<Host> host_;
};

}  // namespace mld
