; The boot sector of the Linux test guest: loads a kernel and its initramfs from fixed places of the disk and starts them.
; build.mjs lays the disk out, fills the table in sector 1 and patches the kernel's header, so that nothing is decided here.
; Spec: Linux Documentation/x86/boot.rst (protocol 2.06 and later); INT 13h AH=42h; INT 15h AH=87h.
;
; nasm -f bin boot.asm -o boot.bin

bits 16
cpu 386
org 0x7c00

SETUP_SEGMENT equ 0x9000           ; the kernel's real-mode part, as the protocol draws it
COMMAND_LINE  equ 0xe000           ; within that segment
BOUNCE        equ 0x1000           ; segment that chunks pass through on their way above 1 MiB
CHUNK         equ 64               ; sectors, 32 KiB
table         equ 0x7e00           ; sector 1

; the table: start sector, number of sectors, destination (linear), three times; then the command line, ended by a zero
setup_row     equ table
kernel_row    equ table + 12
initrd_row    equ table + 24
command_line  equ table + 36

        jmp 0:start
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
        mov cx, 1
        mov word [packet.at + 2], 0
        mov word [packet.at], table
        call read
        mov si, setup_row          ; the real-mode part fits below 640 KiB and comes in one go
        mov eax, [si]
        mov cx, [si + 4]
        mov word [packet.at], 0
        mov word [packet.at + 2], SETUP_SEGMENT
        call read
        mov ax, SETUP_SEGMENT
        mov es, ax
        mov si, command_line
        mov di, COMMAND_LINE
.copy:  lodsb
        stosb
        test al, al
        jnz .copy
        mov si, kernel_row
        call load_high
        mov si, initrd_row
        call load_high
        cli
        mov ax, SETUP_SEGMENT
        mov ds, ax
        mov es, ax
        mov fs, ax
        mov gs, ax
        mov ss, ax
        mov sp, COMMAND_LINE
        jmp SETUP_SEGMENT + 0x20:0

; Loads the row at si to its destination above 1 MiB, a chunk at a time.
load_high:
        mov eax, [si + 8]
        mov [target], eax
.next:  mov ecx, [si + 4]
        test ecx, ecx
        jz .done
        cmp ecx, CHUNK
        jbe .last
        mov ecx, CHUNK
.last:  push ecx
        mov eax, [si]
        mov word [packet.at], 0
        mov word [packet.at + 2], BOUNCE
        call read
        pop ecx
        add [si], ecx
        sub [si + 4], ecx
        push si
        push ecx
        mov eax, [target]          ; the destination's descriptor: base in three pieces
        mov [to_base], ax
        shr eax, 16
        mov [to_base + 2], al
        mov [to_base_high], ah
        shl cx, 8                  ; sectors to words
        push ds
        pop es
        mov si, descriptors
        mov ah, 0x87
        int 0x15
        jc failed
        pop ecx
        pop si
        shl ecx, 9
        add [target], ecx
        jmp .next
.done:  ret

read:   mov [packet.lba], eax      ; cx sectors from eax to packet.at
        mov [packet.count], cx
        push si
        mov si, packet
        mov dl, [drive]
        mov ah, 0x42
        int 0x13
        pop si
        jc failed
        ret

failed: mov si, message
.next:  lodsb
        test al, al
        jz .stop
        mov ah, 0x0e
        mov bx, 7
        int 0x10
        jmp .next
.stop:  hlt
        jmp .stop

align 4
packet: db 16, 0
.count: dw 0
.at:    dw 0, 0
.lba:   dd 0, 0
target: dd 0
descriptors:                       ; INT 15h AH=87h: empty, table, source, destination, code, stack
        times 16 db 0
        dw 0xffff, 0               ; source: 0x10000
        db 1, 0x93, 0, 0
        dw 0xffff
to_base: dw 0
        db 0, 0x93, 0
to_base_high: db 0
        times 16 db 0
drive:  db 0
message db "the disk of this guest cannot be read", 0

times 440 - ($ - $$) db 0
        dd 0x4f524c58              ; disk signature
times 510 - ($ - $$) db 0          ; partition table: filled in by build.mjs
        dw 0xaa55
