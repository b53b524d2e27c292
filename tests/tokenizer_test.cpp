// The byte-pair tokenizer: cleaning of labels, pieces, merges, and what it refuses.
#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <fmt/ranges.h>

#include "data/gzip.h"
#include "data/prompt_text.h"
#include "data/tokenizer.h"
#include "data/unicode.h"
#include "tests/data_files.h"
#include "tests/tiny_vocabulary.h"

namespace mld::test {
namespace {

using Ids = std::vector<int32_t>;

int32_t id_of(char c) { return c - '!'; }            // inside a piece
int32_t last(char c) { return id_of(c) + 256; }      // at its end

std::vector<std::string> pieces(const std::string& text) {
  const std::string cleaned = cleaned_prompt(text);
  const auto views = prompt_pieces(cleaned);
  return {views.begin(), views.end()};
}

std::string error_of(const std::string& merges) {
  return message_of<DataError>([&] { Tokenizer(merges, "v.txt"); });
}

}  // namespace

TEST_CASE("tokenizer: labels are cleaned as the published code does") {
  CHECK(cleaned_prompt("") == "");
  CHECK(cleaned_prompt(" \t A  Photo\n") == "a photo");
  CHECK(cleaned_prompt("non\u00A0breaking\u3000space") == "non breaking space");
  CHECK(cleaned_prompt("\u201Ccurly\u201D \u2018quotes\u2019") == "\"curly\" 'quotes'");
  CHECK(cleaned_prompt("\uFF26\uFF55\uFF4C\uFF4C") == "full");
  CHECK(cleaned_prompt("\uFB01 \uFB03") == "fi ffi");
  CHECK(cleaned_prompt("e\u0301") == "\u00E9");
  CHECK(cleaned_prompt("&amp;amp; &lt;b&gt; &#233;&#xE9;") == "& <b> \u00E9\u00E9");
  CHECK(cleaned_prompt("&amp;amp;amp;") == "&amp;");  // twice, no more
  CHECK(cleaned_prompt("&unknown; &#xD800; & ; &#0;") == "&unknown; &#xd800; & ; &#0;");
  CHECK(cleaned_prompt("sch\u00C3\u00B6n") == "sch\u00F6n");
  CHECK(cleaned_prompt("\u00ABIRM\u00C3\u00BB") == "\u00ABirm\u00E3\u00BB");  // a quote, no letter
  CHECK(cleaned_prompt("a\x07\uFEFF" "b") == "ab");
  CHECK(cleaned_prompt("\u0130") == "i\u0307");
  CHECK(cleaned_prompt("\u039F\u03A3 \u03A3\u039F\u03A3.") == "\u03BF\u03C2 \u03C3\u03BF\u03C2.");
  CHECK(message_of<DataError>([] { cleaned_prompt("caf\xE9"); }) ==
        "label 'caf\\xe9' is not UTF-8");
}

TEST_CASE("tokenizer: pieces are letters, single digits and runs of the rest") {
  using Strings = std::vector<std::string>;
  CHECK(pieces("don't STOP they're") == Strings{"don", "'t", "stop", "they", "'re"});
  CHECK(pieces("3.14 \u00BDx") == Strings{"3", ".", "1", "4", "\u00BD", "x"});
  CHECK(pieces("c++20/cuda?!'s") == Strings{"c", "++", "2", "0", "/", "cuda", "?!'", "s"});
  CHECK(pieces("<|startoftext|>hi<|endoftext|>") ==
        Strings{"<|startoftext|>", "hi", "<|endoftext|>"});
  CHECK(pieces("!<|endoftext|>") == Strings{"!<|", "endoftext", "|>"});
  CHECK(pieces("\u0939\u093F") == Strings{"\u0939", "\u093F"});  // a vowel sign is no letter
}

TEST_CASE("tokenizer: pairs are merged in the vocabulary's order, left to right") {
  const Tokenizer t(vocabulary_text({"b c", "a b", "a bc", "abc d</w>", "x x", "xx xx"}), "v.txt");
  constexpr int32_t bc = 512, ab = 513, abc = 514, abcd = 515, xx = 516, xxxx = 517;
  CHECK(t.encode("abc d") == Ids{ab, last('c'), last('d')});  // "c" at the end is another symbol
  CHECK(t.encode("abcd") == Ids{abcd});  // b c before a b
  CHECK(t.encode("bcabcx") == Ids{bc, abc, last('x')});
  CHECK(t.encode("xxxxxxxx") == Ids{xxxx, xx, id_of('x'), last('x')});
  CHECK(t.encode("xxx,") == Ids{xx, last('x'), last(',')});
  CHECK(t.decode(t.encode("ABCD\u00E9 xx")) == "abcd\u00E9 xx ");
  CHECK(t.encode(std::string(kEndText) + "a") == Ids{Tokenizer::kEnd, last('a')});
  CHECK(t.context("a b", 6) ==
        Ids{Tokenizer::kStart, last('a'), last('b'), Tokenizer::kEnd, 0, 0});
  CHECK(t.context("a b c", 4, true) ==
        Ids{Tokenizer::kStart, last('a'), last('b'), Tokenizer::kEnd});
  CHECK(message_of<DataError>([&] { t.context("a b c", 4); }) ==
        "'a b c': 3 tokens, at most 2 fit beside start and end; shorten the text");
  CHECK(message_of<Error>([&] { t.decode(Ids{49408}); }) ==
        "Tokenizer: id 49408 is not in [0, 49408)");
}

TEST_CASE("tokenizer: a million letters take no more than n log n") {
  const Tokenizer t(vocabulary_text({"x x", "xx xx"}), "v.txt");
  const Ids ids = t.encode(std::string(1'000'001, 'x'));
  CHECK(ids.size() == 250'001);
  CHECK(std::count(ids.begin(), ids.end(), 513) == 250'000);
}

TEST_CASE("tokenizer: a vocabulary of another length or order is refused") {
  const std::string whole = vocabulary_text({});
  CHECK(error_of(whole) == "no error");
  CHECK(error_of(whole.substr(0, whole.size() - 1)) == "no error");  // no line break at the end
  CHECK(error_of(vocabulary_text({}, Tokenizer::kMerges - 1)) ==
        "v.txt: 48893 merges behind the first line, expected 262144 or 48894: not CLIP's "
        "vocabulary");
  CHECK(error_of("") == "v.txt: 0 merges behind the first line, expected 262144 or 48894: not "
                        "CLIP's vocabulary");
  CHECK(error_of(vocabulary_text({"a b", "abc d"})) ==
        "v.txt:3: expected two symbols made in earlier lines, got 'abc d'");
  CHECK(error_of(vocabulary_text({"a b", "ab"})) ==
        "v.txt:3: expected two symbols made in earlier lines, got 'ab'");
  CHECK(error_of(vocabulary_text({"a a", "a aa", "aa a"})) == "v.txt:4: 'aaa' is there twice");
  TemporaryFolder folder;
  CHECK(message_of<DataError>([&] { Tokenizer(folder.path() / "bpe.gz"); }, folder.path()) ==
        "ROOT/bpe.gz: no such file; CLIP's vocabulary is clip/bpe_simple_vocab_16e6.txt.gz of "
        "https://github.com/openai/CLIP");
}

TEST_CASE("gzip: members are joined; damaged, cut and huge files are refused") {
  using std::string_literals::operator""s;
  const std::string hi =  // gzip -n of "hi\n"
      "\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb\xc8\xe4\x02\0\x7a\x7a\x6f\xed\x03\0\0\0"s;
  CHECK(is_gzip(hi));
  CHECK(gunzip(hi, 100, "f") == "hi\n");
  CHECK(gunzip(hi + hi, 100, "f") == "hi\nhi\n");
  const auto error = [](const std::string& bytes, size_t limit) {
    return message_of<DataError>([&] { gunzip(bytes, limit, "f"); });
  };
  CHECK(error(hi.substr(0, 15), 100) == "f: a damaged or truncated gzip file (it ends too early)");
  std::string damaged = hi;
  damaged[14] ^= 1;  // the checksum
  CHECK(error(damaged, 100).starts_with("f: a damaged or truncated gzip file ("));
  CHECK(error(hi, 2) == "f: more than 0 MiB when unpacked");
}

TEST_CASE("tokenizer: the published vocabulary, where it is at hand") {
  const char* shared = std::getenv("MLD_SHARED");
  const std::filesystem::path file =
      std::filesystem::path(shared != nullptr ? shared : "") / "data/clip" /
      "bpe_simple_vocab_16e6.txt.gz";
  if (!std::filesystem::exists(file)) {
    MESSAGE("skipped: MLD_SHARED names no folder with data/clip/bpe_simple_vocab_16e6.txt.gz");
    return;
  }
  const Tokenizer t(file);
  CHECK(t.encode("a photo of a cat") == Ids{320, 1125, 539, 320, 2368});
  CHECK(t.context("zebra").size() == 77);
}

}  // namespace mld::test
