<#
.SYNOPSIS
    Removes the service mfa-shipper and the program. Can be run again at any time.
.DESCRIPTION
    Configuration, positions, events and logs stay, unless -RemoveData is given.
.PARAMETER Program
    The folder of the program.
.PARAMETER Data
    The folder of the configuration, state and events.
.PARAMETER RemoveData
    Remove that folder as well.
.EXAMPLE
    & 'C:\Program Files\mfa-shipper\uninstall.ps1'
#>
#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding()]
param(
    [string] $Program = (Join-Path $env:ProgramFiles 'mfa-shipper'),
    [string] $Data = (Join-Path $env:ProgramData 'mfa-shipper'),
    [switch] $RemoveData
)
Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

$Name = 'mfa-shipper'
$ServiceSid = 'S-1-5-80-233272508-1570424765-3851315679-536572315-485129042'
$EventLogReaders = 'S-1-5-32-573'
$Exe = Join-Path $Program 'mfa-shipper.exe'
$Config = Join-Path $Data 'config.yaml'

if (Get-Service -Name $Name -ErrorAction SilentlyContinue) {
    & $Exe service remove --config $Config
    if ($LASTEXITCODE -ne 0) {
        throw "The service was not removed; nothing else was touched."
    }
}
try {
    Remove-LocalGroupMember -SID $EventLogReaders -Member $ServiceSid
}
catch {
    Write-Verbose "It was no member of the group Event Log Readers: $_"
}
Set-Location -LiteralPath $env:SystemRoot # a folder in which somebody stands cannot be removed
foreach ($Folder in @($Program) + @(if ($RemoveData) { $Data })) {
    if (Test-Path -LiteralPath $Folder) {
        Remove-Item -LiteralPath $Folder -Recurse -Force
        Write-Output "Removed: $Folder"
    }
}
