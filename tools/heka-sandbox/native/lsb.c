// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The functions of lua_sandbox that C modules of input plugins use, with the layouts of its headers
 * (luasandbox.h, luasandbox/util/output_buffer.h, luasandbox/error.h), which include
 * variadic C functions; those cannot be defined in Rust.
 *
 * An output buffer is lent to a module that serializes a value of its own type, for a field of a message
 * or for preserved global data.
 */
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Functions of the built-in Lua 5.1. */
typedef struct lua_State lua_State;
typedef int (*lua_CFunction)(lua_State *);
enum { LUA_TLIGHTUSERDATA = 2, LUA_TUSERDATA = 7 };
extern void lua_getfenv(lua_State *, int);
extern void lua_pushcclosure(lua_State *, lua_CFunction, int);
extern void lua_pushlightuserdata(lua_State *, void *);
extern void lua_pushlstring(lua_State *, const char *, size_t);
extern void lua_pushstring(lua_State *, const char *);
extern void lua_pushvalue(lua_State *, int);
extern void lua_rawget(lua_State *, int);
extern void lua_rawset(lua_State *, int);
extern void lua_settop(lua_State *, int);
extern lua_CFunction lua_tocfunction(lua_State *, int);
extern double lua_tonumber(lua_State *, int);
extern const char *lua_tolstring(lua_State *, int, size_t *);
extern int lua_type(lua_State *, int);
extern int luaL_error(lua_State *, const char *, ...);

#define EXPORT __attribute__((visibility("default")))

/* Null, or an error message. */
typedef const char *error;

EXPORT extern const char LSB_ERR_UTIL_NULL[], LSB_ERR_UTIL_OOM[], LSB_ERR_UTIL_FULL[];
const char LSB_ERR_UTIL_NULL[] = "pointer is NULL";
const char LSB_ERR_UTIL_OOM[] = "memory allocation failed";
const char LSB_ERR_UTIL_FULL[] = "buffer full";

struct buffer {
    char *bytes;
    size_t max; /* 0: no limit */
    size_t size;
    size_t len;
};

EXPORT error lsb_expand_output_buffer(struct buffer *out, size_t more) {
    if (!out)
        return LSB_ERR_UTIL_NULL;
    if (more <= out->size - out->len)
        return NULL;
    if (more > SIZE_MAX / 4 - out->len || (out->max && out->len + more > out->max))
        return LSB_ERR_UTIL_FULL;
    size_t size = 2 * (out->len + more);
    if (out->max && size > out->max)
        size = out->max;
    char *bytes = realloc(out->bytes, size);
    if (!bytes)
        return LSB_ERR_UTIL_OOM;
    out->bytes = bytes;
    out->size = size;
    return NULL;
}

EXPORT error lsb_outputs(struct buffer *out, const char *text, size_t len) {
    if (!out || !text)
        return LSB_ERR_UTIL_NULL;
    /* The contents are followed by a NUL. */
    error failed = len == SIZE_MAX ? LSB_ERR_UTIL_FULL : lsb_expand_output_buffer(out, len + 1);
    if (failed)
        return failed;
    memcpy(out->bytes + out->len, text, len);
    out->len += len;
    out->bytes[out->len] = 0;
    return NULL;
}

EXPORT error lsb_outputc(struct buffer *out, char byte) { return lsb_outputs(out, &byte, 1); }

EXPORT error lsb_outputf(struct buffer *out, const char *format, ...) {
    va_list arguments;
    if (!out || !format)
        return LSB_ERR_UTIL_NULL;
    va_start(arguments, format);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (len < 0)
        return LSB_ERR_UTIL_FULL;
    error failed = lsb_expand_output_buffer(out, (size_t)len + 1);
    if (failed)
        return failed;
    va_start(arguments, format);
    vsnprintf(out->bytes + out->len, (size_t)len + 1, format, arguments);
    va_end(arguments);
    out->len += (size_t)len;
    return NULL;
}

/* Numbers of common magnitude have up to eight decimals, without trailing zeros. */
EXPORT error lsb_outputfd(struct buffer *out, double number) {
    if (!(fabs(number) <= 2147483647.0))
        return lsb_outputf(out, "%0.17g", number);
    char text[32];
    int len = snprintf(text, sizeof text, "%.8f", number);
    while (len > 0 && text[len - 1] == '0')
        len--;
    if (len > 0 && text[len - 1] == '.')
        len--;
    if (len == 2 && text[0] == '-' && text[1] == '0')
        return lsb_outputs(out, "0", 1);
    return lsb_outputs(out, text, (size_t)len);
}

static error put_number(struct buffer *out, double number, const char *nan, const char *inf) {
    if (isnan(number))
        return lsb_outputf(out, "%s", nan);
    if (isinf(number))
        return lsb_outputf(out, "%s%s", number < 0 ? "-" : "", inf);
    return lsb_outputfd(out, number);
}

EXPORT error lsb_outputd(struct buffer *out, double number) {
    return put_number(out, number, "nan", "inf");
}

EXPORT error lsb_serialize_double(struct buffer *out, double number) {
    return put_number(out, number, "0/0", "1/0");
}

/* Writes bytes as in a Lua string in double quotes. */
EXPORT error lsb_serialize_binary(struct buffer *out, const void *bytes, size_t len) {
    const char *byte = bytes;
    error failed = NULL;
    for (; !failed && len > 0; byte++, len--) {
        switch (*byte) {
        case '\n': failed = lsb_outputs(out, "\\n", 2); break;
        case '\r': failed = lsb_outputs(out, "\\r", 2); break;
        case 0: failed = lsb_outputs(out, "\\000", 4); break;
        case '"': failed = lsb_outputs(out, "\\\"", 2); break;
        case '\\': failed = lsb_outputs(out, "\\\\", 2); break;
        default: failed = lsb_outputc(out, *byte);
        }
    }
    return failed;
}

/* The functions of a module's values are in their environment. */

static void add(lua_State *lua, const char *name, lua_CFunction function) {
    lua_pushstring(lua, name);
    lua_pushcclosure(lua, function, 0);
    lua_rawset(lua, -3);
}

static lua_CFunction get(lua_State *lua, int index, const char *name) {
    lua_getfenv(lua, index);
    if (lua_type(lua, -1) != 5 /* table */) {
        lua_settop(lua, -2);
        return NULL;
    }
    lua_pushstring(lua, name);
    lua_rawget(lua, -2);
    lua_CFunction function = lua_tocfunction(lua, -1);
    lua_settop(lua, -3);
    return function;
}

#define OUTPUT "lsb_output"
#define SERIALIZE "lsb_serialize"
#define ZERO_COPY "lsb_zero_copy"

EXPORT void lsb_add_output_function(lua_State *lua, lua_CFunction function) {
    add(lua, OUTPUT, function);
}
EXPORT void lsb_add_serialize_function(lua_State *lua, lua_CFunction function) {
    add(lua, SERIALIZE, function);
}
EXPORT void lsb_add_zero_copy_function(lua_State *lua, lua_CFunction function) {
    add(lua, ZERO_COPY, function);
}
EXPORT lua_CFunction lsb_get_output_function(lua_State *lua, int index) {
    return get(lua, index, OUTPUT);
}
EXPORT lua_CFunction lsb_get_zero_copy_function(lua_State *lua, int index) {
    return get(lua, index, ZERO_COPY);
}

/* (limit, value, userdata) → the bytes to which the userdata's module serializes the value; nothing if
 * it has no such function. The value is a light userdata within the userdata, or nil for all of it. */
int heka_lsb_output(lua_State *lua) {
    struct buffer out = {.max = (size_t)lua_tonumber(lua, 1)};
    lua_CFunction function = get(lua, 3, OUTPUT);
    if (!function || lsb_expand_output_buffer(&out, 1))
        return 0;
    lua_pushlightuserdata(lua, &out);
    int failed = function(lua);
    if (!failed)
        lua_pushlstring(lua, out.bytes, out.len);
    free(out.bytes);
    if (failed)
        return luaL_error(lua, "userdata output callback failed: %d", failed);
    return 1;
}

/* (limit, userdata, name) → the Lua code that restores the userdata, or nothing. */
int heka_lsb_serialize(lua_State *lua) {
    struct buffer out = {.max = (size_t)lua_tonumber(lua, 1)};
    const char *name = lua_tolstring(lua, 3, NULL);
    lua_CFunction function = get(lua, 2, SERIALIZE);
    if (!name || !function || lsb_expand_output_buffer(&out, 1))
        return 0;
    lua_pushvalue(lua, 2);
    lua_pushlightuserdata(lua, (void *)name);
    lua_pushlightuserdata(lua, &out);
    int failed = function(lua);
    if (!failed)
        lua_pushlstring(lua, out.bytes, out.len);
    free(out.bytes);
    return failed ? 0 : 1;
}

/* The log, to which a module's libraries may write from their own threads. */

struct logger {
    void *context;
    void (*log)(void *context, const char *component, int level, const char *format, ...);
};

extern void heka_lsb_log(const char *component, int level, const char *text);

static void log_line(void *context, const char *component, int level, const char *format, ...) {
    char text[1024];
    va_list arguments;
    (void)context;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    heka_lsb_log(component ? component : "", level, text);
}

static const struct logger LOGGER = {NULL, log_line};

EXPORT const struct logger *lsb_get_logger(const void *sandbox) {
    return sandbox ? &LOGGER : NULL;
}

/* A sandbox of the kind that runs here: it creates messages, and has no current message. */
EXPORT char lsb_heka_get_type(const void *sandbox) { return sandbox ? 'i' : 0; }
EXPORT const void *lsb_heka_get_message(const void *sandbox) {
    (void)sandbox;
    return NULL;
}

struct value {
    union {
        struct { const char *bytes; size_t len; } text;
        double number;
    } is;
    int type; /* 0: none */
};

EXPORT bool lsb_read_heka_field(const void *message, const void *name, int field, int array,
                                struct value *value) {
    (void)message, (void)name, (void)field, (void)array;
    if (value)
        value->type = 0;
    return false;
}

/* Members of a message that a module encodes or decodes itself. */

EXPORT const char *lsb_pb_read_key(const char *at, int *tag, int *wire) {
    if (!at || !tag || !wire)
        return NULL;
    *tag = (unsigned char)*at >> 3;
    *wire = *at & 7;
    return at + 1;
}

EXPORT const char *lsb_pb_read_varint(const char *at, const char *end, long long *value) {
    unsigned long long bits = 0;
    if (!at || !end || !value)
        return NULL;
    for (int shift = 0; at < end && shift < 70; shift += 7) {
        unsigned char byte = (unsigned char)*at++;
        bits |= (unsigned long long)(byte & 0x7f) << (shift < 64 ? shift : 63);
        if (!(byte & 0x80)) {
            *value = (long long)bits;
            return at;
        }
    }
    return NULL;
}
