// Word vectors as a model's input: classes known by a vector each instead of by parameters.
//
// Note [Classes by prompts]. A model with a text encoder knows a class by its prompt: the vector is
// then the prompt's token ids (data/prompts.h), d their number. Whoever sets words, keeps them or
// checks them need not tell the two apart.
#pragma once

#include <cstdint>
#include <vector>

#include "autograd/tape.h"

namespace mld {

// What models and heads share that read word vectors, or do not.
struct WordInput {
  virtual ~WordInput() = default;

  // The vectors' width d; 0: the classes are fixed, and set_words() is refused.
  virtual int64_t word_dim() const { return 0; }
  // The classes of the following calls, in the order of the outputs' columns: f32 [n, d] on any
  // device, any n. They are an input, not state: no checkpoint holds them, and they need not be
  // those of training. The caller keeps the tensor in place while a captured update uses it.
  // Errors: Error for another shape or type, or if the classes are fixed.
  virtual void set_words(const Tensor& words);
  // Whether the vectors are prompts.
  virtual bool reads_prompts() const { return false; }
  // How well pictures and captions go together. Errors: Error unless the model reads prompts.
  //   pictures [N, C]: the stage "pooled" (see Tap) of a call, captions i32 [N, d] -> f32 [N, N]
  virtual Var pair_scores(const Var& pictures, const Tensor& captions);
  // Whether outputs are not logits but principal vectors, which sdl_scores() compares with words.
  virtual bool embeds() const { return false; }
  // Targets of outputs that a call in training has behind those of the classes (random queries).
  virtual std::vector<float> extra_targets() const { return {}; }
};

// Errors: Error unless words are f32 [n, d] with n > 0.
void check_words(const Tensor& words, int64_t d);

}  // namespace mld
