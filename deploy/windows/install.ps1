<#
.SYNOPSIS
    Installs mfa-shipper as a service, or upgrades it. Can be run again at any time.
.DESCRIPTION
    Copies the program to Program Files, makes a configuration from an example if there is none, gives the service's account the right to
    read it, checks it, and installs and starts the service. What is there already stays: configuration, positions, events.
.PARAMETER Example
    The example for a first configuration: mfa-server or nps.
.PARAMETER Program
    The folder of the program.
.PARAMETER Data
    The folder of the configuration. The examples have state and events in it too.
.PARAMETER NoStart
    Leave the service stopped, to edit the configuration first.
.EXAMPLE
    .\install.ps1 -Example mfa-server
#>
#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding()]
param(
    [ValidateSet('mfa-server', 'nps')]
    [string] $Example = 'mfa-server',
    [string] $Program = (Join-Path $env:ProgramFiles 'mfa-shipper'),
    [string] $Data = (Join-Path $env:ProgramData 'mfa-shipper'),
    [switch] $NoStart
)
Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

$Name = 'mfa-shipper'
# Windows makes the SID of a service of its name: it is the same on every machine, and known before the service is there.
$ServiceSid = 'S-1-5-80-233272508-1570424765-3851315679-536572315-485129042'
$EventLogReaders = 'S-1-5-32-573'
$Exe = Join-Path $Program 'mfa-shipper.exe'
$Config = Join-Path $Data 'config.yaml'

function Invoke-Program {
    # Runs a program of Windows, and ends this script where it fails. Robocopy's exit codes below 8 are successes.
    param([string] $File, [string[]] $Arguments, [int] $Highest = 0)
    & $File @Arguments
    if ($LASTEXITCODE -gt $Highest) {
        throw "$File ended with exit code $LASTEXITCODE"
    }
}

if (-not (Test-Path -LiteralPath (Join-Path $PSScriptRoot 'mfa-shipper.exe'))) {
    throw "There is no mfa-shipper.exe beside this script: unzip the whole archive, and run install.ps1 there."
}

# 1. The program. A service that runs holds its files.
$Service = Get-Service -Name $Name -ErrorAction SilentlyContinue
if ($Service -and $Service.Status -ne 'Stopped') {
    Stop-Service -InputObject $Service
    $Service.WaitForStatus('Stopped', [TimeSpan]::FromMinutes(2))
}
Get-ChildItem -LiteralPath $PSScriptRoot -Recurse -File | Unblock-File
if ($PSScriptRoot.TrimEnd('\') -ne $Program.TrimEnd('\')) {
    Invoke-Program robocopy.exe @($PSScriptRoot, $Program, '/MIR', '/R:5', '/W:2', '/NFL', '/NDL', '/NJH', '/NJS', '/NP') -Highest 7
}

# 2. The configuration, for administrators, the system, and the service, which reads it.
if (-not (Test-Path -LiteralPath $Data)) {
    $null = New-Item -ItemType Directory -Path $Data
}
$Rights = '*S-1-5-18:(OI)(CI)F', '*S-1-5-32-544:(OI)(CI)F', "*${ServiceSid}:(OI)(CI)RX"
Invoke-Program icacls.exe (@($Data, '/inheritance:r', '/grant:r') + $Rights + '/Q')
if (-not (Test-Path -LiteralPath $Config)) {
    Copy-Item -LiteralPath (Join-Path $Program "examples\$Example.yaml") -Destination $Config
    Write-Output "New configuration: $Config"
}

# 3. The service.
Invoke-Program $Exe @('check', '--config', $Config)
Invoke-Program $Exe @('service', 'install', '--config', $Config)
if (Select-String -LiteralPath $Config -Pattern '^[^#]*type:\s*windows_event_log' -Quiet) {
    try {
        Add-LocalGroupMember -SID $EventLogReaders -Member "NT SERVICE\$Name"
    }
    catch [Microsoft.PowerShell.Commands.MemberExistsException] {
        Write-Verbose 'The service may read the event log already.'
    }
    catch {
        # A domain controller has no local groups.
        Write-Warning "Add 'NT SERVICE\$Name' to the group Event Log Readers, or it cannot read the event log: $_"
    }
}
if ($NoStart) {
    Write-Output "Start it with: & '$Exe' service start --config '$Config'"
}
else {
    Invoke-Program $Exe @('service', 'start', '--config', $Config)
}
