; The toy guest: an operating system of a few KiB for tests and for the first minute with Oriel. Boots from any disk that
; the BIOS can read, in real mode, and is deterministic: the same boot gives the same picture.
;
;   picture   mode 13h (QEMU shows it as 640x400): eight colour bars, a window, "ORIEL", the boot counter as large digits
;             and once more as 32 cells along the bottom edge, most significant bit first (white 1, grey 0)
;   counter   sector 15: "ORIELTOY", then a little-endian u32; read, raised and written back at every boot
;   keys      echoed on the screen and on COM1 (115200 8N1); what comes in on COM1 is a key too
;   mouse     absolute, through the VMware backdoor that QEMU's PC machines have; a click paints a square and says
;             "[click X Y BUTTONS]" on COM1 (X 0-319, Y 0-199)
;   serial    "oriel-toy boot N" once the picture stands
;   ctrl-w    starts and stops a write of one sector 18 times a second: sector 64 + n mod 64 is filled with the u32 n;
;             "oriel-toy wrote N" about every second, once the BIOS has called sector N written
;   ctrl-p    powers off; ctrl-r reboots; ctrl-alt-del reboots (the BIOS sees to it)
;   power     the ACPI power button is polled: "oriel-toy power button", then off. Port numbers are those that SeaBIOS
;             gives the power management block on QEMU's pc and q35: PM1 status 0x600, enable 0x602, control 0x604.
;
; The disk has to be 1 MiB or more: SeaBIOS sees no cylinders in a smaller one. nasm -f bin toy.asm -o toy.bin

bits 16
cpu 386
org 0x7c00

SECTORS       equ 8                ; of code, the boot sector included
COUNTER_LBA   equ 15
WRITE_LBA     equ 64
buffer        equ 0x9e00           ; one sector, above the code
VGA           equ 0xa000
COM1          equ 0x3f8
PM1_STATUS    equ 0x600
PM1_ENABLE    equ 0x602
PM1_CONTROL   equ 0x604
POWER_BUTTON  equ 0x0100
BDA_TICKS     equ 0x46c
TEXT_TOP      equ 120              ; the area for typed text: 8 rows of 40 characters
TEXT_BOTTOM   equ 184
BACKGROUND    equ 1

; ---- sector 0: load the rest ---------------------------------------------------------------------------------------
        jmp 0:start                ; some BIOSes enter at 07c0:0000
start:  cli
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        sti
        cld
        mov [drive], dl
        mov eax, 1
        mov bx, 0x7e00
        mov cx, SECTORS - 1
        mov dl, 0x42
        call disk
        jnc main
        mov si, text_unreadable
.say:   lodsb
        test al, al
        jz .stop
        mov ah, 0x0e
        mov bx, 7
        int 0x10
        jmp .say
.stop:  hlt
        jmp .stop

; Reads (dl = 0x42) or writes (dl = 0x43) cx sectors at sector eax from or to 0:bx. Carry: it failed.
disk:   mov [packet.lba], eax
        mov [packet.count], cx
        mov [packet.at], bx
        mov ah, dl
        mov al, 0
        mov si, packet
        mov dl, 7                  ; three planes: see video_planes
        call video_planes
        mov dl, [drive]
        push es
        int 0x13
        pop es
        pushf
        mov dl, 15
        call video_planes
        popf
        ret

; Which video planes can be written (dl). With all four and mode 13h, QEMU 7.2 puts the picture as plain memory at
; 0xa0000, on top of the memory of the system management mode that SeaBIOS drives virtio and AHCI disks from: the
; machine hangs. With three it does not, and nothing is drawn while the BIOS works.
video_planes:
        cmp byte [painted], 0
        je .none
        push ax
        push dx
        mov ah, dl
        mov al, 2
        mov dx, 0x3c4
        out dx, ax
        pop dx
        pop ax
.none:  ret

align 4
packet: db 16, 0
.count: dw 0
.at:    dw 0, 0
.lba:   dd 0, 0
drive:  db 0
painted db 0
text_unreadable db "oriel-toy: the boot disk cannot be read", 0

times 440 - ($ - $$) db 0
        dd 0x4f52494c              ; disk signature
times 510 - ($ - $$) db 0          ; an empty partition table
        dw 0xaa55

; ---- the system ----------------------------------------------------------------------------------------------------
main:   call serial_open
        call count_boot
        mov ax, 0x0013
        int 0x10
        mov byte [painted], 1
        push es
        mov ax, 0x1130
        mov bh, 3                  ; the 8x8 font of the BIOS
        int 0x10
        mov [font], bp
        mov [font + 2], es
        pop es
        call paint
        call mouse_open
        mov dx, PM1_ENABLE         ; QEMU raises the status bit only where it is enabled; its interrupt stays masked
        mov ax, POWER_BUTTON
        out dx, ax
        mov si, text_boot
        call serial_text
        mov si, digits
        call serial_text
        call serial_line

idle:   sti
        hlt                        ; the timer wakes us 18 times a second, a key or the UART at once
        call power_poll
        call mouse_poll
        call write_poll
.keys:  mov ah, 1
        int 0x16
        jz .serial
        mov ah, 0
        int 0x16
        call typed
        jmp .keys
.serial:
        mov dx, COM1 + 5
        in al, dx
        cmp al, 0xff               ; no UART there
        je idle
        test al, 1
        jz idle
        mov dx, COM1
        in al, dx
        call typed
        jmp .serial

; ---- boot counter --------------------------------------------------------------------------------------------------
count_boot:
        mov eax, COUNTER_LBA
        mov bx, buffer
        mov cx, 1
        mov dl, 0x42
        call disk
        mov si, magic
        mov di, buffer
        mov cx, 8
        repe cmpsb
        je .known
        mov di, buffer             ; the first boot of this disk
        mov cx, 256
        xor ax, ax
        rep stosw
        mov si, magic
        mov di, buffer
        mov cx, 8
        rep movsb
.known: inc dword [buffer + 8]
        mov eax, [buffer + 8]
        mov [counter], eax
        mov eax, COUNTER_LBA
        mov bx, buffer
        mov cx, 1
        mov dl, 0x43
        call disk
        jnc .written
        mov si, text_write_failed
        call serial_text
.written:
        mov eax, [counter]         ; falls into decimal

; Writes eax as decimal into `digits`, ended by a zero.
decimal:
        mov di, digits + 10
        mov byte [di], 0
        mov ebx, 10
.next:  xor edx, edx
        div ebx
        add dl, '0'
        dec di
        mov [di], dl
        test eax, eax
        jnz .next
        mov si, di
        mov di, digits
.move:  lodsb
        stosb
        test al, al
        jnz .move
        ret

; ---- serial --------------------------------------------------------------------------------------------------------
serial_open:
        mov si, .setup
        mov cx, 7
.next:  lodsb
        movzx dx, al
        add dx, COM1
        lodsb
        out dx, al
        loop .next
        mov word [0x0c * 4], serial_wake
        mov word [0x0c * 4 + 2], 0
        in al, 0x21                ; let IRQ 4 through: a byte that arrives ends the hlt
        and al, 0xef
        out 0x21, al
        ret
.setup: db 1, 0,  3, 0x80,  0, 1,  1, 0,  3, 3,  4, 0x0b,  1, 1  ; 115200 8N1, then DTR RTS OUT2, receive interrupt

serial_wake:
        push ax
        mov al, 0x20
        out 0x20, al
        pop ax
        iret

serial_byte:                       ; al; gives up on a UART that never drains
        push dx
        push cx
        push ax
        mov cx, 0xffff
        mov dx, COM1 + 5
.wait:  in al, dx
        test al, 0x20
        loopz .wait
        pop ax
        mov dx, COM1
        out dx, al
        pop cx
        pop dx
        ret

serial_text:                       ; si, ended by a zero
        lodsb
        test al, al
        jz .end
        call serial_byte
        jmp serial_text
.end:   ret

serial_number:                     ; eax, then a space
        pushad
        call decimal
        mov si, digits
        call serial_text
        mov al, ' '
        call serial_byte
        popad
        ret

serial_line:
        mov al, 13
        call serial_byte
        mov al, 10
        jmp serial_byte

; ---- keys ----------------------------------------------------------------------------------------------------------
typed:                             ; al
        cmp al, 'W' - 64
        je toggle_write
        cmp al, 'P' - 64
        je power_off
        cmp al, 'R' - 64
        je reboot
        cmp al, 13
        je .line
        cmp al, 8
        je .back
        cmp al, ' '
        jb .none
        cmp al, 126
        ja .none
        call serial_byte
        call cursor_toggle
        push word [text_x]
        pop word [glyph_x]
        push word [text_y]
        pop word [glyph_y]
        mov word [scale], 1
        mov byte [ink], 15
        mov byte [paper], BACKGROUND
        call glyph
        call cursor_toggle
        add word [text_x], 8
        cmp word [text_x], 320
        jb .none
        jmp .down
.line:  call serial_line
.down:  mov word [text_x], 0
        add word [text_y], 8
        cmp word [text_y], TEXT_BOTTOM
        jb .none
        mov word [text_y], TEXT_TOP
        call cursor_toggle
        call clear_text
        call cursor_toggle
.none:  ret
.back:  cmp word [text_x], 0
        je .none
        call serial_byte
        mov al, ' '
        call serial_byte
        mov al, 8
        call serial_byte
        sub word [text_x], 8
        call cursor_toggle
        mov ax, [text_x]
        mov bx, [text_y]
        mov cx, 8
        mov dx, 8
        mov byte [colour], BACKGROUND
        call rectangle
        jmp cursor_toggle

reboot: mov word [0x472], 0x1234
        mov al, 0xfe
        out 0x64, al
.wait:  hlt
        jmp .wait

; ---- power ---------------------------------------------------------------------------------------------------------
power_poll:
        mov dx, PM1_STATUS
        in ax, dx
        cmp ax, 0xffff             ; no power management block there
        je .none
        test ax, POWER_BUTTON
        jz .none
        out dx, ax                 ; written ones clear
        mov si, text_button
        call serial_text
        jmp power_off
.none:  ret

power_off:
        mov dx, PM1_CONTROL
        mov ax, 0x2000             ; sleep enable, type 0: S5 on QEMU
        out dx, ax
.wait:  hlt
        jmp .wait

; ---- writing -------------------------------------------------------------------------------------------------------
toggle_write:
        xor byte [writing], 1
        mov si, text_writing_off
        cmp byte [writing], 0
        je .say
        mov si, text_writing_on
.say:   jmp serial_text

write_poll:
        cmp byte [writing], 0
        je .none
        mov ax, [BDA_TICKS]
        cmp ax, [last_tick]
        je .none
        mov [last_tick], ax
        mov eax, [written]
        inc eax
        mov di, buffer
        mov cx, 128
        rep stosd
        mov edx, eax
        and eax, 63
        add eax, WRITE_LBA
        mov bx, buffer
        mov cx, 1
        push edx
        mov dl, 0x43
        call disk
        pop edx
        jc .failed
        mov [written], edx
        mov eax, edx
        and al, 15
        jnz .none
        mov si, text_wrote
        call serial_text
        mov eax, edx
        call decimal
        mov si, digits
        call serial_text
        jmp serial_line
.failed:
        mov byte [writing], 0
        mov si, text_write_failed
        jmp serial_text
.none:  ret

; ---- mouse: the VMware pointer that QEMU's i8042 carries ---------------------------------------------------------------
backdoor:                          ; cx = command, ebx = argument
        mov eax, 0x564d5868
        mov dx, 0x5658
        in eax, dx
        ret

mouse_open:
        xor bx, bx
        mov ebx, 0x45414552        ; read its identity: it then has one word for us
        mov ecx, 41
        call backdoor
        mov ebx, 1
        mov ecx, 39
        call backdoor
        cmp eax, 0x3442554a
        jne .none
        mov ebx, 0x53424152        ; absolute positions
        mov ecx, 41
        call backdoor
        mov byte [mouse], 1
        mov ax, 0xc205             ; the PS/2 side too: its interrupt ends the hlt when the pointer moves
        mov bh, 3
        int 0x15
        mov ax, 0xc207
        mov bx, mouse_wake
        int 0x15
        mov ax, 0xc200
        mov bh, 1
        int 0x15
        call cursor_toggle
.none:  ret

mouse_wake:
        retf

mouse_poll:
        cmp byte [mouse], 0
        je .none
        mov ecx, 40
        xor ebx, ebx
        call backdoor
        cmp ax, 4
        jb .none
        cmp eax, 0xffff0000
        jae .none
        mov ebx, 4
        mov ecx, 39
        call backdoor
        push ax
        call cursor_toggle
        imul ebx, ebx, 320
        shr ebx, 16
        mov [mouse_x], bx
        imul ecx, ecx, 200
        shr ecx, 16
        mov [mouse_y], cx
        call cursor_toggle
        pop ax
        mov bl, al
        and bl, 0x38
        xchg bl, [buttons]
        not bl
        and bl, [buttons]          ; those that went down just now
        jz mouse_poll
        call click
        jmp mouse_poll
.none:  ret

click:  call cursor_toggle
        mov cx, 5
        mov dx, 5
        mov ax, [mouse_x]
        cmp ax, 315
        jbe .x
        mov ax, 315
.x:     mov si, [mouse_y]
        cmp si, 195
        jbe .y
        mov si, 195
.y:     mov byte [colour], 12      ; left
        test bl, 0x20
        jnz .paint
        mov byte [colour], 10      ; right
        test bl, 0x10
        jnz .paint
        mov byte [colour], 14      ; middle
.paint: push bx
        mov bx, si
        call rectangle
        call cursor_toggle
        mov si, text_click
        call serial_text
        movzx eax, word [mouse_x]
        call serial_number
        movzx eax, word [mouse_y]
        call serial_number
        pop bx
        shr bl, 3                  ; 4 left, 2 right, 1 middle
        movzx eax, bl
        call decimal
        mov si, digits
        call serial_text
        mov al, ']'
        call serial_byte
        jmp serial_line

; Inverts a small cross at the pointer: twice is nothing.
cursor_toggle:
        cmp byte [mouse], 0
        je .none
        pusha
        push es
        push VGA
        pop es
        mov ax, [mouse_y]
        mov bx, 320
        mul bx
        add ax, [mouse_x]
        mov di, ax
        mov si, .cross
        mov cx, 9
.next:  lodsw
        mov bx, di
        add bx, ax
        cmp bx, 64000
        jae .skip
        xor byte [es:bx], 0x0f
.skip:  loop .next
        pop es
        popa
.none:  ret
.cross: dw 0, 1, 2, 3, 320, 640, 960, 321, 642

; ---- drawing -------------------------------------------------------------------------------------------------------
paint:  xor ax, ax
        xor bx, bx
        mov cx, 320
        mov dx, 200
        mov byte [colour], BACKGROUND
        call rectangle
        mov si, bars               ; eight bars, 40 by 64
        xor ax, ax
        mov cx, 8
.bar:   push cx
        push ax
        lodsb
        mov [colour], al
        pop ax
        mov cx, 40
        mov dx, 64
        xor bx, bx
        call rectangle
        add ax, 40
        pop cx
        loop .bar
        mov si, window             ; a frame and its panes
        mov cx, 7
.pane:  push cx
        lodsw
        mov di, ax
        lodsw
        mov bx, ax
        lodsw
        mov cx, ax
        lodsw
        mov dx, ax
        lodsb
        mov [colour], al
        mov ax, di
        call rectangle
        pop cx
        loop .pane
        mov word [scale], 3
        mov byte [paper], BACKGROUND
        mov byte [ink], 15
        mov word [glyph_x], 52
        mov word [glyph_y], 76
        mov si, text_name
        call glyphs
        mov byte [ink], 14
        mov word [glyph_x], 192
        mov si, digits
        call glyphs
        mov word [scale], 1
        mov byte [ink], 7
        mov word [glyph_x], 0
        mov word [glyph_y], 108
        mov si, text_hint
        call glyphs
        xor ax, ax                 ; the counter once more, for machines: 32 cells of 10 by 8
        mov ebp, [counter]
        mov si, 32
.cell:  mov byte [colour], 8
        rol ebp, 1
        jnc .zero
        mov byte [colour], 15
.zero:  mov bx, 192
        mov cx, 10
        mov dx, 8
        call rectangle
        add ax, 10
        dec si
        jnz .cell
        ret

clear_text:
        xor ax, ax
        mov bx, TEXT_TOP
        mov cx, 320
        mov dx, TEXT_BOTTOM - TEXT_TOP
        mov byte [colour], BACKGROUND ; falls into rectangle

rectangle:                         ; ax = x, bx = y, cx = width, dx = height, [colour]; keeps all registers
        pusha
        push es
        push VGA
        pop es
        mov di, ax
        imul bx, bx, 320
        add di, bx
        mov al, [colour]
.row:   push cx
        push di
        rep stosb
        pop di
        pop cx
        add di, 320
        dec dx
        jnz .row
        pop es
        popa
        ret

glyphs:                            ; si, ended by a zero; moves glyph_x
        lodsb
        test al, al
        jz .end
        call glyph
        mov ax, [scale]
        shl ax, 3
        add [glyph_x], ax
        jmp glyphs
.end:   ret

glyph:                             ; al = character at glyph_x, glyph_y in [scale], [ink] on [paper]; keeps all registers
        pusha
        push es
        les bp, [font]
        movzx di, al
        shl di, 3
        add di, bp                 ; es:di = its eight rows
        mov bx, [glyph_y]
        mov cx, [scale]
        mov dx, cx
        mov byte [rows], 8
.row:   mov al, [es:di]
        inc di
        mov [bits_left], al
        mov ax, [glyph_x]
        mov byte [columns], 8
.column:
        shl byte [bits_left], 1
        mov ch, [paper]
        jnc .dot
        mov ch, [ink]
.dot:   mov [colour], ch
        mov ch, 0
        call rectangle
        add ax, cx
        dec byte [columns]
        jnz .column
        add bx, cx
        dec byte [rows]
        jnz .row
        pop es
        popa
        ret

; ---- data ----------------------------------------------------------------------------------------------------------
bars    db 15, 14, 11, 10, 13, 12, 9, 0
window  dw 8, 72, 32, 32
        db 6
        dw 11, 75, 7, 12
        db 11
        dw 21, 75, 7, 12
        db 11
        dw 30, 75, 7, 12
        db 11
        dw 11, 90, 7, 11
        db 9
        dw 21, 90, 7, 11
        db 9
        dw 30, 90, 7, 11
        db 9
magic             db "ORIELTOY"
text_name         db "ORIEL", 0
text_hint         db "ctrl-w write  ctrl-p off  ctrl-r reboot", 0
text_boot         db "oriel-toy boot ", 0
text_button       db 13, 10, "oriel-toy power button", 13, 10, 0
text_writing_on   db 13, 10, "oriel-toy writing on", 13, 10, 0
text_writing_off  db 13, 10, "oriel-toy writing off", 13, 10, 0
text_wrote        db "oriel-toy wrote ", 0
text_write_failed db 13, 10, "oriel-toy write failed", 13, 10, 0
text_click        db "[click ", 0
text_x            dw 0
text_y            dw TEXT_TOP
mouse_x           dw 160
mouse_y           dw 100
glyph_x           dw 0
glyph_y           dw 0
scale             dw 1
font              dw 0, 0
last_tick         dw 0
align 4
counter           dd 0
written           dd 0
writing           db 0
mouse             db 0
buttons           db 0
ink               db 15
paper             db 0
colour            db 0
rows              db 0
columns           db 0
bits_left         db 0
digits            times 12 db 0

times SECTORS * 512 - ($ - $$) db 0
