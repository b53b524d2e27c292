// What a text encoder reads about classes and pictures.
#include <doctest/doctest.h>

#include "data/prompts.h"
#include "data/utf8.h"
#include "tests/data_files.h"
#include "tests/tiny_vocabulary.h"

namespace mld::test {
namespace {

using Strings = std::vector<std::string>;

const Tokenizer& tokenizer() {
  static const Tokenizer t(vocabulary_text({"r e", "re d</w>"}), "v.txt");
  return t;
}

std::string caption(const Strings& labels, std::string_view prompt = "a photo of {}") {
  return caption_of(prompt, labels);
}

}  // namespace

TEST_CASE("prompts: the label stands where the braces are") {
  CHECK(prompt_of("a photo of {}", "red circle") == "a photo of red circle");
  CHECK(prompt_of("a {}, a kind of bird", "great_auk") == "a great auk, a kind of bird");
  CHECK(prompt_of("{}", "{}") == "{}");
  CHECK(is_prompt_template("a {}"));
  for (const char* wrong : {"", "a photo of", "{} and {}", "{x}", "{ }"}) {
    CAPTURE(wrong);
    CHECK_FALSE(is_prompt_template(wrong));
    CHECK(message_of<Error>([&] { prompt_of(wrong, "a"); }) ==
          "prompt \"" + std::string(wrong) + "\": expected {} once");
  }
}

TEST_CASE("captions: commas, and 'and' before the last") {
  CHECK(caption({}) == "a photo of ");
  CHECK(caption({"cat"}) == "a photo of cat");
  CHECK(caption({"cat", "dog"}) == "a photo of cat and dog");
  CHECK(caption({"cat", "dog", "traffic_light"}) == "a photo of cat, dog and traffic light");
  CHECK(caption({"a", "b", "c", "d"}, "{} in a photo") == "a, b, c and d in a photo");
}

TEST_CASE("captions: labels are appended while there are fewer than 77 bytes") {
  const std::string long_label(60, 'x');  // "a photo of " has 11
  CHECK(caption({long_label, "y"}) == "a photo of " + long_label);           // 77 with " and y"
  CHECK(caption({long_label.substr(1), "y"}) == "a photo of " + long_label.substr(1) + " and y");
  CHECK(caption({"y", long_label}) == "a photo of y");
  CHECK(caption({"y", long_label, "z"}) == "a photo of y");  // not the next one instead
  CHECK(caption({std::string(66, 'x')}) == "a photo of ");
  CHECK(caption({std::string(65, 'x')}).size() == 76);
  CHECK(caption({"y"}, std::string(80, 'p') + "{}") == std::string(80, 'p'));
}

TEST_CASE("prompts and captions as token ids") {
  const Tensor prompts = prompt_tokens(tokenizer(), "a {}", Strings{"red", "red red"});
  REQUIRE(prompts.shape() == Shape{2, 77});
  const Tensor captions = caption_tokens(tokenizer(), Strings{"a red", "a red red"});
  REQUIRE(captions.dtype() == DType::i32);
  for (const int64_t text : {0, 1}) {
    const auto ids = tokenizer().context(text == 0 ? "a red" : "a red red");
    for (int64_t t = 0; t < 77; ++t) {
      const int32_t id = ids[static_cast<size_t>(t)];
      CHECK(prompts.data<float>()[text * 77 + t] == static_cast<float>(id));
      CHECK(captions.data<int32_t>()[text * 77 + t] == id);
    }
  }
  // Float32 holds all ids.
  CHECK(static_cast<int32_t>(static_cast<float>(Tokenizer::kEnd)) == Tokenizer::kEnd);
  // A template that is itself too long is cut.
  const Tensor cut = caption_tokens(tokenizer(), Strings{std::string(90, 'p')});
  CHECK(cut.data<int32_t>()[76] == Tokenizer::kEnd);
}

TEST_CASE("errors: labels that are no prompts") {
  const auto error = [](const std::string& label) {
    return message_of<DataError>([&] {
      prompt_tokens(tokenizer(), "a photo of {}", Strings{"red", label});
    });
  };
  CHECK(error("fine") == "no error");
  CHECK(error(std::string(80, 'q')) ==
        "label \"" + std::string(80, 'q') + "\": 'a photo of " + std::string(80, 'q') +
            "': 88 tokens, at most 75 fit beside start and end; shorten the text");
  CHECK(error("caf\xE9").starts_with("label \"caf\\xe9\": "));
}

}  // namespace mld::test
