// What a text encoder reads about classes and pictures: a template such as "a photo of {}" with a
// label, or several, in place of the braces.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/tensor.h"
#include "data/tokenizer.h"

namespace mld {

// Whether the text has the braces exactly once.
bool is_prompt_template(std::string_view text);

// The prompt of a class. '_' in a label reads as a blank.
//   prompt: a template, also below
std::string prompt_of(std::string_view prompt, std::string_view label);

// The caption of a picture: its labels, joined by ", " and, before the last, " and ". Labels are
// taken in order while the caption stays below kCaptionBytes, as in the published code (which
// counts characters); so a caption always fits into the tokenizer's context.
constexpr size_t kCaptionBytes = 77;
std::string caption_of(std::string_view prompt, std::span<const std::string> labels);

// The classes' prompts as Tokenizer::context() gives them, in the form of word vectors: float32,
// which holds ids exactly (docs/design.md, Classes by prompts).   -> f32 [names, kContext]
// Errors: DataError naming the label: not UTF-8, or a prompt of more tokens than the context.
Tensor prompt_tokens(const Tokenizer& tokenizer, std::string_view prompt,
                     std::span<const std::string> names);

// Captions as token ids; one that is too long in spite of all is cut.   -> i32 [captions, kContext]
Tensor caption_tokens(const Tokenizer& tokenizer, std::span<const std::string> captions);

}  // namespace mld
