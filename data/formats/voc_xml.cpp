// One VOC annotation, read with pugixml, in any encoding that it declares.
#include <iconv.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <memory>

#include <pugixml.hpp>

#include "core/error.h"
#include "data/formats/voc.h"
#include "data/text.h"

namespace mld {
namespace {

int64_t line_of(std::string_view text, ptrdiff_t offset) {
  const size_t end = std::min(text.size(), static_cast<size_t>(std::max<ptrdiff_t>(offset, 0)));
  return 1 + std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(end), '\n');
}

// The encoding that the XML declaration names, in capitals; "" if there is none.
std::string declared_encoding(std::string_view xml) {
  const std::string_view start = xml.substr(0, std::min(xml.find("?>"), size_t{200}));
  const size_t key = start.find("encoding");
  const size_t open = key == std::string_view::npos ? key : start.find_first_of("'\"", key);
  if (!start.starts_with("<?xml") || open == std::string_view::npos) {
    return "";
  }
  const std::string_view rest = start.substr(open + 1);
  std::string name(rest.substr(0, std::min(rest.find(start[open]), rest.size())));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return name;
}

// An XML text's encoding, from its byte order mark or zero bytes, else as declared. "" is UTF-8.
std::string encoding_of(std::string_view xml) {
  const auto starts = [&](std::string_view bytes) { return xml.starts_with(bytes); };
  using namespace std::string_view_literals;
  if (starts("\xFF\xFE\0\0"sv) || starts("<\0\0\0"sv)) {
    return "UTF-32LE";
  }
  if (starts("\0\0\xFE\xFF"sv) || starts("\0\0\0<"sv)) {
    return "UTF-32BE";
  }
  if (starts("\xFF\xFE"sv) || starts("<\0"sv)) {
    return "UTF-16LE";
  }
  if (starts("\xFE\xFF"sv) || starts("\0<"sv)) {
    return "UTF-16BE";
  }
  const std::string declared = declared_encoding(xml);
  // Some programs declare UTF-16 but write UTF-8: real UTF-16 would have zero bytes.
  return starts("\xEF\xBB\xBF"sv) || declared.starts_with("UTF") || declared == "US-ASCII"
             ? ""
             : declared;
}

// Only names of character sets may go to iconv, which gives other words a meaning too.
bool is_character_set(std::string_view name) {
  static constexpr std::array<std::string_view, 14> kStarts = {
      "UTF-16", "UTF-32", "ISO-8859-", "ISO8859-", "LATIN", "WINDOWS-", "CP", "GB", "BIG5",
      "SHIFT", "SJIS", "EUC-", "KOI8-", "TIS-620"};
  return name.size() <= 20 &&
         std::ranges::all_of(name, [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_';
         }) &&
         std::ranges::any_of(kStarts, [&](auto start) { return name.starts_with(start); });
}

std::string to_utf8(std::string_view xml, const std::string& encoding, const std::string& name) {
  const auto none = reinterpret_cast<iconv_t>(-1);
  const iconv_t opened =
      is_character_set(encoding) ? iconv_open("UTF-8", encoding.c_str()) : none;
  require<DataError>(opened != none, "{}:1: encoding '{}', which cannot be read here; save the "
                     "file as UTF-8", name, printable(encoding));
  const std::unique_ptr<void, int (*)(void*)> converter(opened, iconv_close);
  std::string text;
  std::array<char, 4096> buffer;
  char* in = const_cast<char*>(xml.data());  // iconv's signature; it does not write there
  size_t left = xml.size();
  while (left > 0) {
    char* out = buffer.data();
    size_t room = buffer.size();
    const bool failed = iconv(converter.get(), &in, &left, &out, &room) == static_cast<size_t>(-1);
    text.append(buffer.data(), buffer.size() - room);
    require<DataError>(!failed || errno == E2BIG, "{}:{}: bytes that are not {}, the file's "
                       "encoding; save it as UTF-8", name, line_of(text, std::ssize(text)),
                       encoding);
  }
  return text;
}

}  // namespace

std::vector<VocObject> parse_voc(std::string_view bytes, const std::string& name) {
  const std::string encoding = encoding_of(bytes);
  const std::string converted = encoding.empty() ? "" : to_utf8(bytes, encoding, name);
  const std::string_view xml = encoding.empty() ? bytes : converted;
  pugi::xml_document document;
  const pugi::xml_parse_result result = document.load_buffer(
      xml.data(), xml.size(), pugi::parse_default, pugi::encoding_utf8);
  require<DataError>(result, "{}:{}: malformed XML: {}", name, line_of(xml, result.offset),
                     result.description());
  const pugi::xml_node root = document.child("annotation");
  require<DataError>(root, "{}:1: no <annotation> element, expected a VOC annotation", name);
  std::vector<VocObject> objects;
  for (const pugi::xml_node object : root.children("object")) {
    const auto line = [&] { return line_of(xml, object.offset_debug()); };
    const std::string_view label = trimmed(object.child("name").text().get());
    require<DataError>(!label.empty(), "{}:{}: object without a <name>", name, line());
    require<DataError>(is_utf8(label), "{}:{}: the name '{}' is not UTF-8, and the file declares "
                       "no other encoding; declare it, or save the file as UTF-8", name, line(),
                       printable(label));
    const std::string_view difficult = trimmed(object.child("difficult").text().get());
    require<DataError>(difficult.empty() || difficult == "0" || difficult == "1",
                       "{}:{}: <difficult> is '{}', expected 0 or 1", name, line(),
                       printable(difficult));
    objects.push_back({std::string(label), difficult == "1"});
  }
  return objects;
}

}  // namespace mld
