// The text of a label or prompt as CLIP's tokenizer reads it: cleaned, then cut into pieces.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mld {

// The two words of CLIP's vocabulary that are no text.
inline constexpr std::string_view kStartText = "<|startoftext|>", kEndText = "<|endoftext|>";

// Composed (NFC), straight quotes, ASCII for full-width forms, ligatures spelled out, invisible
// control characters dropped, entities of HTML (numbers, and amp, lt, gt, quot, apos, nbsp)
// replaced, twice; then lower case, with single spaces and none at the ends. CLIP does this with
// the Python package ftfy, which also repairs text that was decoded wrongly; of that there is here
// what happens to Latin-1's letters (U+00C3 U+00B6 was U+00F6). Errors: DataError for text that is
// not UTF-8.
std::string cleaned_prompt(std::string_view text);

// The pieces that are encoded on their own: the two words above, 's 't 're 've 'm 'll 'd, runs of
// letters, single digits, runs of other characters without spaces.   text: cleaned
std::vector<std::string_view> prompt_pieces(std::string_view text);

}  // namespace mld
