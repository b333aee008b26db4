/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * bench/forms: bare loops for the rows of bench/rows/forms.sh. They handle only the data of these rows: plain
 * headers, the members and types that occur there, one value per field, no member twice. They check nothing, so a
 * tool that has to check its input cannot be much faster.
 *
 *   forms json FILE        framed messages to the lines that heka-decode -j writes
 *   forms messages FILE    these lines to framed messages
 *
 * The file is mapped; output is written in blocks of 256 KiB.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef unsigned char byte;
enum { BLOCK = 256 << 10, LONGEST = 1 << 20 };

static byte out[BLOCK + LONGEST], *at = out;

static void flush(void)
{
	for (byte *from = out; from < at;) {
		ssize_t len = write(1, from, at - from);
		if (len < 0)
			err(1, "write");
		from += len;
	}
	at = out;
}

static void put(const void *bytes, size_t len)
{
	memcpy(at, bytes, len);
	at += len;
}
#define PUT(literal) put(literal, sizeof literal - 1)

static uint64_t varint(const byte **in)
{
	uint64_t value = 0;
	for (int shift = 0;; shift += 7) {
		byte next = *(*in)++;
		value |= (uint64_t)(next & 0x7f) << shift;
		if (next < 0x80)
			return value;
	}
}

static void put_varint(uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*at++ = (byte)value | 0x80;
	*at++ = (byte)value;
}

static void put_number(int64_t value)
{
	char digits[20], *first = digits + sizeof digits;
	uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
	do
		*--first = '0' + rest % 10;
	while (rest /= 10);
	if (value < 0)
		*--first = '-';
	put(first, digits + sizeof digits - first);
}

/* Text with quotes around it; only ASCII occurs. */
static void put_text(const byte *text, size_t len)
{
	*at++ = '"';
	for (const byte *end = text + len; text < end; text++) {
		if (*text == '"' || *text == '\\')
			*at++ = '\\';
		*at++ = *text;
	}
	*at++ = '"';
}

static void put_uuid(const byte *uuid)
{
	static const char digits[] = "0123456789abcdef";
	PUT("\"Uuid\":\"");
	for (int n = 0; n < 16; n++) {
		if (n == 4 || n == 6 || n == 8 || n == 10)
			*at++ = '-';
		*at++ = digits[uuid[n] >> 4];
		*at++ = digits[uuid[n] & 15];
	}
	*at++ = '"';
}

static void put_time(int64_t ns)
{
	static time_t known = -1;
	static char text[] = "1970-01-01T00:00:00.";
	time_t second = ns / 1000000000;
	char digits[9];
	if (second != known) {
		struct tm parts;
		strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.", gmtime_r(&second, &parts));
		text[19] = '.';
		known = second;
	}
	PUT(",\"Timestamp\":\"");
	put(text, 20);
	for (int64_t n = 8, rest = ns % 1000000000; n >= 0; n--, rest /= 10)
		digits[n] = '0' + rest % 10;
	put(digits, 9);
	PUT("Z\",\"TimestampNs\":");
	put_number(ns);
}

static void put_double(double value)
{
	static double known;
	static char text[32];
	static int len;
	if (len == 0 || memcmp(&known, &value, sizeof value)) {
		for (int digits = 1; digits < 18; digits++) {
			len = snprintf(text, sizeof text, "%.*g", digits, value);
			if (strtod(text, NULL) == value)
				break;
		}
		known = value;
	}
	put(text, len);
}

/* A field; the name of a double is kept, to be listed after the fields. */
static void put_field(const byte *in, const byte *end, const byte **real, size_t *real_len)
{
	const byte *name = NULL;
	size_t name_len = 0;
	while (in < end) {
		byte tag = *in++;
		uint64_t len = varint(&in);
		switch (tag) {
		case 0x0a:
			name = in, name_len = len;
			put_text(name, name_len);
			*at++ = ':';
			break;
		case 0x10:
			continue;
		case 0x22:
			put_text(in, len);
			break;
		case 0x32:
			for (const byte *value = in; value < in + len;)
				put_number((int64_t)varint(&value));
			break;
		case 0x3a: {
			double value;
			memcpy(&value, in, sizeof value);
			put_double(value);
			*real = name, *real_len = name_len;
			break;
		}
		case 0x42:
			*in ? PUT("true") : PUT("false");
			break;
		}
		in += len;
	}
}

static void put_json(const byte *in, const byte *end)
{
	const byte *real = NULL;
	size_t real_len = 0;
	int fields = 0;
	*at++ = '{';
	while (in < end) {
		byte tag = *in++;
		uint64_t number = varint(&in);
		if (tag == 0x52) {
			fields++ ? PUT(",") : PUT(",\"Fields\":{");
			put_field(in, in + number, &real, &real_len);
		} else if (tag == 0x10) {
			put_time((int64_t)number);
			continue;
		} else if (tag == 0x28) {
			PUT(",\"Severity\":");
			put_number((int64_t)number);
			continue;
		} else if (tag == 0x0a) {
			put_uuid(in);
		} else {
			tag == 0x1a ? PUT(",\"Type\":") : tag == 0x22 ? PUT(",\"Logger\":")
			    : tag == 0x32 ? PUT(",\"Payload\":") : PUT(",\"Hostname\":");
			put_text(in, number);
		}
		in += number;
	}
	if (fields)
		*at++ = '}';
	if (real) {
		PUT(",\"FieldInfo\":{");
		put_text(real, real_len);
		PUT(":{\"type\":\"double\"}}");
	}
	PUT("}\n");
}

static void json(const byte *in, const byte *end)
{
	while (in < end) {
		in += 3;
		size_t len = varint(&in);
		put_json(in + 1, in + 1 + len);
		in += 1 + len;
		if (at - out >= BLOCK)
			flush();
	}
}

/* Returns the text at a quote, without escapes, and the position after it. */
static const byte *text_of(const byte **in, size_t *len)
{
	const byte *first = *in + 1, *last = first;
	while (*last != '"')
		last += *last == '\\' ? 2 : 1;
	*in = last + 1, *len = last - first;
	return first;
}

static void put_member(byte tag, const byte *text, size_t len)
{
	byte *length = at + 1;
	*at++ = tag;
	put_varint(len);
	byte *start = at;
	for (const byte *end = text + len; text < end; text++) {
		text += *text == '\\';
		*at++ = *text;
	}
	/* Without escapes the text is shorter, so its length never takes more bytes. */
	if ((size_t)(at - start) < len && len < 128)
		*length = (byte)(at - start);
}

static int64_t number_of(const byte **in)
{
	int is_negative = **in == '-';
	int64_t value = 0;
	for (*in += is_negative; **in >= '0' && **in <= '9'; (*in)++)
		value = value * 10 + (**in - '0');
	return is_negative ? -value : value;
}

static int hex(byte digit) { return digit <= '9' ? digit - '0' : digit - 'a' + 10; }

static void put_id(const byte *text)
{
	*at++ = 0x0a;
	*at++ = 16;
	for (int n = 0; n < 16; n++, text += 2) {
		text += *text == '-';
		*at++ = (byte)(hex(text[0]) << 4 | hex(text[1]));
	}
}

static const byte *put_fields(const byte *in)
{
	while (*in++ != '}') {
		size_t name_len, len;
		const byte *name = text_of(&in, &name_len);
		*at++ = 0x52;
		byte *length = at++;
		put_member(0x0a, name, name_len);
		in++;
		if (*in == '"') {
			const byte *text = text_of(&in, &len);
			PUT("\x10\0\x1a\0");
			put_member(0x22, text, len);
		} else if (*in == 't' || *in == 'f') {
			int is_true = *in == 't';
			in += is_true ? 4 : 5;
			PUT("\x10\x04\x1a\0\x42\x01");
			*at++ = (byte)is_true;
		} else {
			const byte *first = in;
			int64_t whole = number_of(&in);
			if (*in == '.') {
				char *end;
				double value = strtod((const char *)first, &end);
				in = (const byte *)end;
				PUT("\x10\x03\x1a\0\x3a\x08");
				put(&value, sizeof value);
			} else {
				PUT("\x10\x02\x1a\0\x32");
				byte *size = at++;
				put_varint((uint64_t)whole);
				*size = (byte)(at - size - 1);
			}
		}
		*length = (byte)(at - length - 1);
	}
	return in;
}

static const byte *put_message(const byte *in)
{
	while (*in++ != '}') {
		size_t len, name_len;
		const byte *name = text_of(&in, &name_len);
		in++;
		if (*in == '{') {
			if (!memcmp(name, "Fields\"", 7))
				in = put_fields(in);
			else
				for (int depth = 0; depth += *in == '{', depth -= *in == '}', in++, depth > 0;)
					;
		} else if (*in == '"') {
			const byte *text = text_of(&in, &len);
			if (!memcmp(name, "Uuid\"", 5))
				put_id(text);
			else if (memcmp(name, "Timestamp\"", 10))
				put_member(*name == 'T' ? 0x1a : *name == 'L' ? 0x22 : *name == 'P' ? 0x32 : 0x4a, text, len);
		} else {
			*at++ = *name == 'S' ? 0x28 : 0x10;
			put_varint((uint64_t)number_of(&in));
		}
	}
	return in + 1;
}

static void messages(const byte *in, const byte *end)
{
	while (in < end) {
		/* Room for a header whose length takes two bytes. */
		byte *frame = at;
		at += 6;
		in = put_message(in);
		size_t len = at - frame - 6;
		memcpy(frame, (byte[]){0x1e, 3, 8, (byte)len | 0x80, (byte)(len >> 7), 0x1f}, 6);
		if (at - out >= BLOCK)
			flush();
	}
}

int main(int argc, char **argv)
{
	struct stat about;
	int fd = argc == 3 ? open(argv[2], O_RDONLY) : -1;
	if (fd < 0 || fstat(fd, &about) < 0)
		errx(2, "usage: forms json|messages FILE");
	const byte *in = mmap(NULL, about.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (in == MAP_FAILED)
		err(1, "%s", argv[2]);
	(strcmp(argv[1], "json") ? messages : json)(in, in + about.st_size);
	flush();
	return 0;
}
