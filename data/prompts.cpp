#include "data/prompts.h"

#include <algorithm>

#include "core/error.h"
#include "data/text.h"

namespace mld {

static constexpr std::string_view kBraces = "{}";

bool is_prompt_template(std::string_view text) {
  const size_t at = text.find(kBraces);
  return at != text.npos && text.find(kBraces, at + 1) == text.npos;
}

static std::string filled(std::string_view prompt, std::string_view text) {
  const size_t at = prompt.find(kBraces);
  require(is_prompt_template(prompt), "prompt \"{}\": expected {{}} once", printable(prompt));
  return std::string(prompt.substr(0, at)).append(text).append(prompt.substr(at + 2));
}

static std::string words_of(std::string_view label) {
  std::string words(label);
  std::ranges::replace(words, '_', ' ');
  return words;
}

std::string prompt_of(std::string_view prompt, std::string_view label) {
  return filled(prompt, words_of(label));
}

std::string caption_of(std::string_view prompt, std::span<const std::string> labels) {
  std::string caption = filled(prompt, ""), before;  // all labels but the last, joined by commas
  for (const std::string& label : labels) {
    const std::string words = words_of(label);
    const std::string longer =
        filled(prompt, before.empty() ? words : before + " and " + words);
    if (longer.size() >= kCaptionBytes) {
      break;
    }
    caption = longer;
    before += (before.empty() ? "" : ", ") + words;
  }
  return caption;
}

Tensor prompt_tokens(const Tokenizer& tokenizer, std::string_view prompt,
                     std::span<const std::string> names) {
  Tensor tokens({std::ssize(names), Tokenizer::kContext});
  float* to = tokens.data<float>();
  for (const std::string& name : names) {
    try {
      for (const int32_t id : tokenizer.context(prompt_of(prompt, name))) {
        *to++ = static_cast<float>(id);
      }
    } catch (const DataError& error) {
      fail<DataError>("label \"{}\": {}", printable(name), error.what());
    }
  }
  return tokens;
}

Tensor caption_tokens(const Tokenizer& tokenizer, std::span<const std::string> captions) {
  Tensor tokens({std::ssize(captions), Tokenizer::kContext}, DType::i32);
  int32_t* to = tokens.data<int32_t>();
  for (const std::string& caption : captions) {
    to = std::ranges::copy(tokenizer.context(caption, Tokenizer::kContext, true), to).out;
  }
  return tokens;
}

}  // namespace mld
