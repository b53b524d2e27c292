// PyTorch's files: both containers, views, where the state is; hostile ones are refused by name.
#include <doctest/doctest.h>

#include "core/error.h"
#include "data/pth.h"
#include "tests/data_files.h"
#include "tests/pth_files.h"

namespace mld {
namespace {

using namespace test;

std::span<const uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
std::string error_of(const std::string& file) {
  return message_of<DataError>([&] { PthFile(bytes_of(file), "f"); });
}
bool refused(const std::string& file, const std::string& why) {
  const std::string message = error_of(file);
  INFO(message);
  const bool found = message.find(why) != std::string::npos;
  CHECK_MESSAGE(found, why);
  return found;
}
std::string zip_with(const std::string& code) {
  return zip_pth(pickle_of(code), {{"0", floats({1, 2})}});
}

const PthTensor kSix{.elements = 6, .shape = {2, 3}, .strides = {3, 1}};
const std::string kSixBytes = floats({1, 2, 3, 4, 5, 6});

// Name and values of each tensor, "w=1,2,3 b=4".
std::string content(const PthFile& file) {
  std::string text;
  for (const auto& [name, tensor] : file.tensors()) {
    text += (text.empty() ? "" : " ") + name + "=";
    for (const double v : tensor.to_doubles()) {
      text += (text.back() == '=' ? "" : ",") + fmt::format("{}", v);
    }
  }
  return text;
}
std::string content(const std::string& file) { return content(PthFile(bytes_of(file), "f")); }

TEST_CASE("pth: views share a storage, with offsets and strides, in both containers") {
  const auto part = [](int64_t offset, std::vector<int64_t> shape, std::vector<int64_t> strides) {
    return tensor_op({.elements = 6, .offset = offset, .shape = std::move(shape),
                      .strides = std::move(strides)});
  };
  const std::string code = dict_op({{"w", part(0, {2, 3}, {3, 1})},
                                    {"transposed", part(0, {3, 2}, {1, 3})},
                                    {"column", part(1, {2}, {3})},
                                    {"expanded", part(5, {2, 2}, {0, 0})},
                                    {"one", part(2, {1, 1}, {7, 9})},
                                    {"scalar", part(3, {}, {})},
                                    {"empty", part(6, {0, 3}, {3, 1})}});
  const char* expected = "w=1,2,3,4,5,6 transposed=1,4,2,5,3,6 column=2,5 expanded=6,6,6,6 one=3 "
                         "scalar=4 empty=";
  CHECK_EQ(content(zip_pth(pickle_of(code), {{"0", kSixBytes}})), expected);
  CHECK_EQ(content(legacy_pth(pickle_of(code), {{"0", kSixBytes}})), expected);
}

TEST_CASE("pth: every element type, parameters, a part of a storage") {
  const std::pair<const char*, std::string> types[] = {
      {"DoubleStorage", little_endian(-2.5)}, {"FloatStorage", little_endian(-2.5f)},
      {"HalfStorage", "\x00\xc1"s},           {"BFloat16Storage", "\x20\xc0"s},
      {"LongStorage", little_endian(int64_t{-3})}, {"IntStorage", little_endian(int32_t{-3})},
      {"ShortStorage", little_endian(int16_t{-3})}, {"CharStorage", "\xfd"},
      {"ByteStorage", "\x07"},                {"BoolStorage", "\x01"}};
  for (const auto& [type, bytes] : types) {
    CAPTURE(type);
    const PthTensor one{.storage_type = type, .elements = 1, .shape = {1}, .strides = {1}};
    const std::string parameter = global_op("torch._utils", "_rebuild_parameter") + tensor_op(one) +
                                  "\x89" + global_op("collections", "OrderedDict") + ")R\x87R";
    const std::string pickle = pickle_of(dict_op({{"a", tensor_op(one)}, {"p", parameter}}));
    const std::string got = content(zip_pth(pickle, {{"0", bytes}}));
    const std::string value = bytes == "\x07" ? "7" : bytes == "\x01" ? "1"
                              : got.find('.') != std::string::npos ? "-2.5" : "-3";
    CHECK_EQ(got, type == "HalfStorage"s ? "a=-2.5 p=-2.5" : "a=" + value + " p=" + value);
    CHECK_EQ(content(legacy_pth(pickle, {{"0", bytes}}, bytes.size())), got);
  }
  // Old files: (key, offset, elements) of a part of a storage.
  std::string storage = storage_op(kSix);
  storage = storage.substr(0, storage.size() - 2) + "(" + text_op("v") + int_op(2) + int_op(3) +
            "ttQ";
  const std::string code = global_op("torch._utils", "_rebuild_tensor") + "(" + storage +
                           int_op(1) + tuple_op({2}) + tuple_op({1}) + "tR";
  CHECK_EQ(content(legacy_pth(pickle_of(dict_op({{"a", code}})), {{"0", kSixBytes}})), "a=4,5");
}

TEST_CASE("pth: the state is found, averages first, an optimiser's never") {
  const std::string six = tensor_op(kSix);
  const std::string one =
      tensor_op({.elements = 6, .offset = 5, .shape = {1}, .strides = {1}});
  const auto entry = [&](const std::string& code) {
    const std::string file = zip_pth(pickle_of(code), {{"0", kSixBytes}});
    const PthFile read(bytes_of(file), "f");
    return read.entry() + ": " + content(read);
  };
  const std::string state = dict_op({{"w", six}}), other = dict_op({{"w", one}});
  CHECK_EQ(entry(state), ": w=1,2,3,4,5,6");
  CHECK_EQ(entry(dict_op({{"epoch", int_op(3)}, {"model", state}})), "model: w=1,2,3,4,5,6");
  CHECK_EQ(entry(dict_op({{"state_dict", state}, {"state_dict_ema", other}})),
           "state_dict_ema: w=6");
  CHECK_EQ(entry(dict_op({{"model", state}, {"model_ema", dict_op({{"state_dict", other}})}})),
           "model_ema.state_dict: w=6");
  // An average that is no more than a counter, and states of optimisers.
  const std::string two = dict_op({{"w", six}, {"b", one}, {"c", one}});
  CHECK_EQ(entry(dict_op({{"ema", dict_op({{"n", one}})}, {"model", two}})),
           "model: w=1,2,3,4,5,6 b=6 c=6");
  CHECK_EQ(entry(dict_op({{"optimizer", dict_op({{"state", two}})}, {"net", state}})),
           "net: w=1,2,3,4,5,6");
  CHECK_EQ(entry(dict_op({{"encoder", state}})), "encoder: w=1,2,3,4,5,6");
}

TEST_CASE("pth: class names by index") {
  const auto names = [&](const std::string& names) {
    const std::string file = zip_pth(
        pickle_of(dict_op({{"model", dict_op({{"w", tensor_op(kSix)}})}, {"idx_to_class", names}})),
        {{"0", kSixBytes}});
    return PthFile(bytes_of(file), "f").class_names();
  };
  const auto list = [](const std::vector<std::pair<int64_t, const char*>>& entries) {
    std::string code = "}(";
    for (const auto& [index, name] : entries) {
      code += int_op(index) + text_op(name);
    }
    return code + "u";
  };
  CHECK_EQ(names(list({{1, "dog"}, {0, "cat"}})), std::vector<std::string>{"cat", "dog"});
  CHECK(names(list({{1, "dog"}, {2, "cat"}})).empty());
  CHECK(names(int_op(3)).empty());
}

TEST_CASE("pth: what could run code is refused, by name") {
  const std::string call = text_op("rm -rf /") + "\x85R";
  refused(zip_with(global_op("posix", "system") + call),
          "f: the global \"posix.system\" at byte 2");
  refused(zip_with("\x8c\x02os\x8c\x06system\x93"s + call), "the global \"os.system\"");
  refused(zip_with(global_op("torch", "load") + call), "the global \"torch.load\"");
  refused(zip_with(global_op("torch.x", "FloatStorage") + call), "\"torch.x.FloatStorage\"");
  refused(zip_with(global_op("torch", "FloatStorage") + call), "a call of torch.FloatStorage");
  refused(zip_with(global_op("src.models.tresnet", "TResNet") + ")\x81"),
          "the global \"src.models.tresnet.TResNet\"");
  refused(zip_with("(iposix\nsystem\n"), "opcode INST at byte 3");
  refused(zip_with(")" + global_op("collections", "OrderedDict") + ")\x81"), "opcode NEWOBJ");
  refused(zip_with("I1\n"), "opcode INT");
  refused(zip_with("\xff"), "opcode 0xff");
  refused(zip_with(tensor_op(kSix) + "}b"), "an object with a state of its own");
  refused(zip_with("cposix\n\x1b[2J\n"), "\\x1b[2J");  // no escapes for the terminal
  refused(legacy_pth(pickle_of(global_op("builtins", "eval") + call), {}), "\"builtins.eval\"");
}

TEST_CASE("pth: malformed pickles") {
  for (const char* code : {"t", "u", "a", "s", "R", "b", "Q", "\x85", "(u", "h\x01", "}s", "cx",
                           "K\x01)R", "NN(\x86", "}(K\x01u", "K\x01Q", "K\x01NNa",
                           "\x8b\xff\xff\xff\xff"}) {
    CAPTURE(code);
    refused(zip_pth("\x80\x02"s + code, {}), "f: malformed pickle at byte ");
  }
  refused(zip_pth("\x80\x02X\xff\xff\xff\xff", {}),
          "f: truncated: 4294967295 bytes wanted at byte 7 of a pickle, 0 are left");
  refused(zip_pth("\x80\x06}.", {}), "pickle protocol 6");
  refused(zip_with("}"), "holds no dict of named tensors");
  refused(zip_with("K\x01"), "holds no dict of named tensors");
  refused(zip_with(std::string(3'000'000, '(')), "more than 2000000 values");
  refused(zip_with(std::string(3'000'000, 'N')), "more than 2000000 values");
  // A tuple of 1,000 members, copied by a few bytes each time.
  std::string copies = "(";
  for (int i = 0; i < 1000; ++i) copies += "N";
  copies += "tq\x01" + global_op("torch._utils", "_rebuild_tensor") + "q\x02";
  for (int i = 0; i < 20'000; ++i) copies += "h\x02h\x01R";
  refused(zip_with(copies), "more than 2000000 values");
  // Cycles and deep nesting are harmless: a dict that holds itself, a million lists in each other.
  const std::string cycle = "}q\x01(" + text_op("self") + "h\x01" + text_op("w") +
                            tensor_op({.elements = 2, .shape = {2}, .strides = {1}}) + "u";
  CHECK_EQ(content(zip_with(cycle)), "w=1,2");
  std::string deep = "]";
  for (int i = 0; i < 1'000'000; ++i) deep += "\x85";
  refused(zip_with(deep), "holds no dict of named tensors");
}

TEST_CASE("pth: tensors that claim what the file does not hold") {
  const auto file = [](PthTensor t) {
    return zip_pth(pickle_of(dict_op({{"w", tensor_op(t)}})), {{"0", kSixBytes}});
  };
  const int64_t most = INT64_MAX;
  refused(file({.elements = 7, .shape = {7}, .strides = {1}}),
          "f: tensor \"w\": its storage \"0\" would have 7 elements from 0 on, the file holds 6");
  refused(file({.elements = 6, .shape = {7}, .strides = {1}}),
          "f: tensor \"w\": its 7 elements from 0 on lie outside its storage of 6");
  refused(file({.elements = 6, .offset = 6, .shape = {1}, .strides = {1}}), "outside its storage");
  refused(file({.elements = 6, .offset = most, .shape = {2}, .strides = {1}}), "lie outside");
  refused(file({.elements = 6, .offset = -1, .shape = {1}, .strides = {1}}), "no number from 0");
  refused(file({.elements = 6, .shape = {2}, .strides = {-1}}), "no number from 0");
  std::string short_number = tensor_op(kSix);  // its offset 0 as -1, one byte long
  short_number.replace(short_number.find("tQ") + 2, int_op(0).size(), "\x8a\x01\xff");
  refused(zip_pth(pickle_of(dict_op({{"w", short_number}})), {{"0", kSixBytes}}),
          "its offset is no number from 0");
  refused(file({.elements = 6, .shape = {3, 3}, .strides = {most, most}}), "strides are too large");
  refused(file({.elements = 6, .shape = {2}, .strides = {most}}), "outside its storage");
  refused(file({.elements = 6, .shape = {most, most}, .strides = {0, 0}}), "times as large");
  refused(file({.elements = 6, .shape = {1 << 20, 1 << 20}, .strides = {0, 0}}), "times as large");
  refused(file({.elements = 6, .shape = {2, 3}, .strides = {1}}), "2 dimensions, 1 strides");
  refused(file({.key = "9", .elements = 6, .shape = {1}, .strides = {1}}),
          "its storage \"9\" is not in the file");
  refused(file({.storage_type = "ComplexFloatStorage", .elements = 3, .shape = {}, .strides = {}}),
          "tensors of type \"ComplexFloatStorage\" are not read");
  refused(file({.elements = 6, .shape = std::vector<int64_t>(33, 1),
                .strides = std::vector<int64_t>(33, 1)}), "no tuple of up to 32 numbers");
  const std::string twice = dict_op({{"w", tensor_op(kSix)}, {"w", tensor_op(kSix)}});
  refused(zip_pth(pickle_of(twice), {{"0", kSixBytes}}), "tensor \"w\" occurs twice");
  // Many names for one large tensor: conversions would take as much memory for each.
  std::vector<std::pair<std::string, std::string>> names;
  for (int i = 0; i < 40; ++i) {
    names.emplace_back("w" + std::to_string(i),
                       tensor_op({.elements = 4000, .shape = {4000}, .strides = {1}}));
  }
  refused(zip_pth(pickle_of(dict_op(names)), {{"0", std::string(16000, '\0')}}),
          "the tensors up to this one are more than 8 times as large as the file");
}

TEST_CASE("pth: damaged containers") {
  const std::string good = pickle_of(dict_op({{"w", tensor_op(kSix)}}));
  const std::string zip = zip_pth(good, {{"0", kSixBytes}});
  const std::string old = legacy_pth(good, {{"0", kSixBytes}});
  for (size_t size = 0; size < zip.size(); size += 7) {
    CHECK_MESSAGE(error_of(zip.substr(0, size)) != "no error", size);
  }
  for (size_t size = 0; size < old.size(); size += 7) {
    CHECK_MESSAGE(error_of(old.substr(0, size)) != "no error", size);
  }
  refused(old.substr(0, old.size() - 1), "truncated: its storage \"0\" has 24 bytes, 23 are left");
  std::string huge = old;
  huge.replace(huge.size() - 32, 8, little_endian(int64_t{1} << 62));
  refused(huge, "truncated: its storage \"0\" has 4611686018427387904 elements");
  refused(zip_of({{.name = "a/x", .content = "1"}}), "without data.pkl");
  refused(zip_of({{.name = "a/data.pkl", .content = good, .method = 8}}),
          "\"a/data.pkl\" is compressed");
  refused(zip_of({{.name = "a/data.pkl", .content = good, .flags = 1}}), "is encrypted");
  refused(zip_of({{.name = "a/b", .content = "1"}, {.name = "a/b", .content = "1"}}),
          "\"a/b\" occurs twice");
  refused(zip_of({{.name = "a/data.pkl", .content = good},
                  {.name = "a/byteorder", .content = "big"}}),
          "big-endian");
  std::string elsewhere = zip;
  elsewhere.replace(elsewhere.size() - 6, 4, little_endian(uint32_t{0xfffffff0}));
  refused(elsewhere, "its directory leads outside it");
  refused("\x89HDF\r\n\x1a\n"s + std::string(64, '\0'), "is an HDF5 file");
  refused("", "is no file that torch.save wrote");
}

}  // namespace
}  // namespace mld
