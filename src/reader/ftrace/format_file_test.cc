#include "reader/ftrace/format_file.h"

#include <gtest/gtest.h>

#include <string>

namespace vs::reader::ftrace {
namespace {

Field parse(std::string_view declaration, std::uint32_t size, std::uint32_t long_size = 8) {
  const auto field =
      parse_field_line("\tfield:" + std::string(declaration) +
                           ";\toffset:8;\tsize:" + std::to_string(size) + ";\tsigned:1;",
                       long_size);
  EXPECT_TRUE(field.ok()) << (field.ok() ? "" : field.error().what);
  return field.ok() ? *field : Field{};
}

TEST(FieldLine, Integers) {
  const Field field = parse("unsigned long long x", 8);
  EXPECT_EQ(field.name, "x");
  EXPECT_EQ(field.kind, FieldClass::kInteger);
  EXPECT_EQ(field.offset, 8U);
  EXPECT_TRUE(field.is_signed);
  EXPECT_EQ(parse("const void * pointer", 8).name, "pointer");
  EXPECT_EQ(parse("enum hrtimer_mode mode", 4).kind, FieldClass::kInteger);
  EXPECT_EQ(parse("struct timespec now", 16).kind, FieldClass::kBytes);
}

TEST(FieldLine, Texts) {
  EXPECT_EQ(parse("char comm[16]", 16).kind, FieldClass::kText);
  EXPECT_EQ(parse("char comm[TASK_COMM_LEN]", 16).kind, FieldClass::kText);
  EXPECT_EQ(parse("char buf[]", 0).kind, FieldClass::kTailText);
  const Field field = parse("__data_loc char[] filename", 4);
  EXPECT_EQ(field.name, "filename");
  EXPECT_EQ(field.kind, FieldClass::kDataLoc);
  EXPECT_TRUE(field.text);
}

TEST(FieldLine, Arrays) {
  EXPECT_EQ(parse("unsigned long args[6]", 48).element, 8U);
  EXPECT_EQ(parse("unsigned long args[6]", 24, 4).element, 4U);
  EXPECT_EQ(parse("__u8 insn[15]", 15).kind, FieldClass::kArray);
  EXPECT_EQ(parse("foo_t x[4]", 8).element, 2U);  // an unknown type: from the size
  EXPECT_EQ(parse("int grid[2][3]", 24).element, 4U);
  EXPECT_EQ(parse("u32 caller[]", 0).kind, FieldClass::kTailArray);
  const Field mask = parse("__rel_loc unsigned long[] mask", 4);
  EXPECT_EQ(mask.kind, FieldClass::kRelLoc);
  EXPECT_FALSE(mask.text);
  EXPECT_EQ(mask.element, 8U);
}

TEST(FieldLine, OldKernelsHaveNoSign) {
  EXPECT_TRUE(parse_field_line("field:int x; offset:4; size:4;", 4).ok());
}

TEST(EventFormat, FixedSizeIsTheEndOfTheLastField) {
  const FormatResult result = parse_event_format(
      "name: e\nID: 7\nformat:\n\tfield:int a;\toffset:16;\tsize:4;\tsigned:1;\n"
      "\tfield:short b;\toffset:2;\tsize:2;\tsigned:1;\n\nprint fmt: \"%d\", REC->a\nnot read\n",
      8);
  EXPECT_EQ(result.fault, "");
  EXPECT_EQ(result.format.id, 7);
  EXPECT_EQ(result.format.fixed_size, 20U);
  EXPECT_EQ(result.format.fields.size(), 2U);
}

TEST(EventFormat, FieldCountJustBelowAndAboveTheLimit) {
  for (const std::size_t count : {kFieldCountLimit, kFieldCountLimit + 1}) {
    std::string text = "name: e\nID: 7\nformat:\n";
    for (std::size_t i = 0; i < count; ++i) {
      text += "\tfield:int f" + std::to_string(i) + ";\toffset:0;\tsize:4;\tsigned:1;\n";
    }
    const FormatResult result = parse_event_format(text, 8);
    EXPECT_EQ(result.fault.empty(), count == kFieldCountLimit) << result.fault;
  }
}

TEST(EventFormat, FieldEndJustBelowAndAboveTheLimit) {
  EXPECT_TRUE(parse_field_line("field:int x; offset:65532; size:4; signed:1;", 8).ok());
  EXPECT_FALSE(parse_field_line("field:int x; offset:65533; size:4; signed:1;", 8).ok());
}

}  // namespace
}  // namespace vs::reader::ftrace
