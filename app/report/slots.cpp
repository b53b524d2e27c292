#include "app/report/slots.h"

#include <ctemplate/template.h>
#include <ctemplate/template_cache.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

#include "app/report/templates.h"
#include "core/error.h"
#include "data/text.h"

namespace mld {
namespace {

using ctemplate::TemplateString;

// Lets through what set_base64() writes and nothing else. Without a modifier ctemplate replaces
// every URL that is not http's by "#".
class Base64Only : public ctemplate::TemplateModifier {
 public:
  void Modify(const char* in, size_t length, const ctemplate::PerExpandData*,
              ctemplate::ExpandEmitter* out, const std::string&) const override {
    const std::string_view text(in, length);
    if (text.find_first_not_of(kDigits) == std::string_view::npos) {
      out->Emit(in, length);
    }
  }
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
};

// Parsed once.
ctemplate::TemplateCache& templates() {
  static ctemplate::TemplateCache cache;
  static const bool filled = [] {
    static const Base64Only base64_only;
    {
#if defined(__SANITIZE_ADDRESS__)
      const __lsan::ScopedDisabler allowed;  // ctemplate never frees its own note of a modifier
#endif
      ctemplate::AddXssSafeModifier("x-base64", &base64_only);
    }
    for (const TemplateFile& file : kTemplateFiles) {
      const TemplateString text(file.text.data(), file.text.size());
      require(file.text.starts_with("{{%AUTOESCAPE context=\"") &&
                  cache.StringToTemplateCache(file.name, text, ctemplate::STRIP_BLANK_LINES),
              "template {}: malformed", file.name);
    }
    return true;
  }();
  static_cast<void>(filled);
  return cache;
}

std::string base64(std::span<const uint8_t> bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - at);
    uint32_t group = 0;
    for (size_t i = 0; i < 3; ++i) {
      group = group << 8 | (i < count ? bytes[at + i] : 0u);
    }
    for (size_t i = 0; i < 4; ++i) {
      text += i <= count ? Base64Only::kDigits[group >> (18 - 6 * i) & 63] : '=';
    }
  }
  return text;
}

}  // namespace

void Slots::set(const char* variable, std::string_view text) {
  dictionary_->SetValue(variable, printable_lines(text));
}

void Slots::set_name(const char* variable, std::string_view name) {
  constexpr size_t kShown = 60;
  const std::string all = printable(name);
  const size_t shown = bytes_of_first(kShown, all);
  dictionary_->SetValue(variable, shown < all.size() ? all.substr(0, shown) + "…" : all);
  dictionary_->SetValue(std::string(variable) + "_FULL", all);
}

void Slots::set_base64(const char* variable, std::span<const uint8_t> bytes) {
  dictionary_->SetValue(variable, base64(bytes));
}

Slots Slots::section(const char* name) const {
  return Slots(dictionary_->AddSectionDictionary(name));
}

Slots Slots::include(const char* marker, const char* file) const {
  ctemplate::TemplateDictionary* included = dictionary_->AddIncludeDictionary(marker);
  included->SetFilename(file);
  return Slots(included);
}

Document::Document(const char* file)
    : file_(file), dictionary_(std::make_unique<ctemplate::TemplateDictionary>(file)) {}

Document::~Document() = default;

std::string Document::html() const {
  std::string page;
  require(templates().ExpandWithData(file_, ctemplate::STRIP_BLANK_LINES, dictionary_.get(),
                                     nullptr, &page),
          "template {}: missing, or one that it includes is", file_);
  return page;
}

}  // namespace mld
