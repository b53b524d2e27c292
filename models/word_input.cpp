#include "models/word_input.h"

#include "core/error.h"

namespace mld {

void WordInput::set_words(const Tensor&) {
  fail<Error>("model: its classes are fixed, it reads no word vectors");
}

Var WordInput::pair_scores(const Var&, const Tensor&) {
  fail<Error>("model: it has no text encoder, it reads no captions");
}

void check_words(const Tensor& words, int64_t d) {
  require(words.defined() && words.dtype() == DType::f32 && words.shape().rank() == 2 &&
              words.shape()[0] > 0 && words.shape()[1] == d,
          "model: word vectors must be float32 [n, {}], got {} {}", d,
          words.defined() ? name_of(words.dtype()) : "undefined", words.shape());
}

}  // namespace mld
