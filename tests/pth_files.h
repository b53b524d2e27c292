// Writes files as torch.save does, byte by byte, good ones and hostile ones.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mld::test {

using namespace std::string_literals;

template <class T>
std::string little_endian(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

// ---- opcodes, as text -----------------------------------------------------------------------

inline std::string text_op(std::string_view text) {  // BINUNICODE
  return "X" + little_endian(static_cast<uint32_t>(text.size())) + std::string(text);
}
inline std::string int_op(int64_t value) {  // LONG1
  return "\x8a\x08"s + little_endian(value);
}
inline std::string tuple_op(const std::vector<int64_t>& numbers) {
  std::string code = "(";
  for (const int64_t n : numbers) {
    code += int_op(n);
  }
  return code + "t";
}
inline std::string global_op(std::string_view module, std::string_view name) {
  return "c" + std::string(module) + "\n" + std::string(name) + "\n";
}

struct PthTensor {
  std::string storage_type = "FloatStorage", key = "0";
  int64_t elements = 0;  // of the storage
  int64_t offset = 0;
  std::vector<int64_t> shape, strides;
};
inline std::string storage_op(const PthTensor& t) {
  return "(" + text_op("storage") + global_op("torch", t.storage_type) + text_op(t.key) +
         text_op("cpu") + int_op(t.elements) + "tQ";
}
inline std::string tensor_op(const PthTensor& t) {
  return global_op("torch._utils", "_rebuild_tensor_v2") + "(" + storage_op(t) + int_op(t.offset) +
         tuple_op(t.shape) + tuple_op(t.strides) + "\x89" +
         global_op("collections", "OrderedDict") + ")RtR";
}
// {key: value, ...}
inline std::string dict_op(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string code = "}(";
  for (const auto& [key, value] : items) {
    code += text_op(key) + value;
  }
  return code + "u";
}
// A whole pickle of protocol 2.
inline std::string pickle_of(const std::string& code) { return "\x80\x02" + code + "."; }

// ---- files ------------------------------------------------------------------------------------

struct ZipEntry {
  std::string name, content;
  uint16_t method = 0, flags = 0;
};
inline std::string zip_of(const std::vector<ZipEntry>& entries) {
  const auto u16 = [](size_t n) { return little_endian(static_cast<uint16_t>(n)); };
  const auto u32 = [](size_t n) { return little_endian(static_cast<uint32_t>(n)); };
  std::string file, directory;
  for (const ZipEntry& entry : entries) {
    const std::string sizes = u32(entry.content.size()) + u32(entry.content.size());
    const std::string common = u16(entry.flags) + u16(entry.method) + u32(0) + u32(0);
    directory += "PK\x01\x02"s + u16(20) + u16(20) + common + sizes + u16(entry.name.size()) +
                 u16(0) + u16(0) + u16(0) + u16(0) + u32(0) + u32(file.size()) + entry.name;
    file += "PK\x03\x04"s + u16(20) + common + sizes + u16(entry.name.size()) + u16(0) +
            entry.name + entry.content;
  }
  return file + directory + "PK\x05\x06"s + u16(0) + u16(0) + u16(entries.size()) +
         u16(entries.size()) + u32(directory.size()) + u32(file.size()) + u16(0);
}

using Storages = std::vector<std::pair<std::string, std::string>>;  // key, content

inline std::string zip_pth(const std::string& pickle, const Storages& storages) {
  std::vector<ZipEntry> entries{{.name = "a/data.pkl", .content = pickle}};
  for (const auto& [key, content] : storages) {
    entries.push_back({.name = "a/data/" + key, .content = content});
  }
  return zip_of(entries);
}
// Each storage's elements take `size` bytes.
inline std::string legacy_pth(const std::string& pickle, const Storages& storages,
                              size_t size = 4) {
  std::string file = pickle_of("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"s) +
                     pickle_of(int_op(1001)) + pickle_of(dict_op({{"little_endian", "\x88"}}));
  std::string keys = "](", contents;
  for (const auto& [key, content] : storages) {
    keys += text_op(key);
    contents += little_endian(static_cast<int64_t>(content.size() / size)) + content;
  }
  return file + pickle + pickle_of(keys + "e") + contents;
}
inline std::string floats(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

}  // namespace mld::test
